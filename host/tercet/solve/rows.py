# SPDX-License-Identifier: Apache-2.0
"""A linear model over 0/1 variables and bounded integers, independent of any solver."""

from __future__ import annotations

from dataclasses import dataclass, field

INFINITY = 1 << 60


@dataclass
class Rows:
    """Columns and rows as plain lists. A row is `low <= sum(coefficient * column) <= high`."""

    low: list[int] = field(default_factory=list)
    high: list[int] = field(default_factory=list)
    cost: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    row_terms: list[list[tuple[int, int]]] = field(default_factory=list)
    row_low: list[int] = field(default_factory=list)
    row_high: list[int] = field(default_factory=list)
    offset: int = 0

    def column(self, name: str, high: int = 1, low: int = 0, cost: int = 0, whole: bool = True) -> int:
        """A new variable, integer if `whole`; returns its position."""
        self.names.append(name)
        self.whole.append(whole)
        self.low.append(low)
        self.high.append(high)
        self.cost.append(cost)
        return len(self.names) - 1

    def row(self, terms: list[tuple[int, int]], high: int = INFINITY, low: int = -INFINITY) -> None:
        """A new constraint over (column, coefficient) pairs; repeated columns add up."""
        merged: dict[int, int] = {}
        for column, coefficient in terms:
            merged[column] = merged.get(column, 0) + coefficient
        self.row_terms.append([(c, a) for c, a in merged.items() if a])
        self.row_low.append(low)
        self.row_high.append(high)
