# SPDX-License-Identifier: Apache-2.0
"""The columns of the compact formulation by meaning, and what they cost."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from tercet.solve.rows import Rows
from tercet.solve.stages import Stages

ONE = -1  # the constant 1 where a column could stand
NONE = -2  # the constant 0
Key = tuple  # ("run", k, i), ("out", v), ("pin", k, v, i) or ("held", k, v, i)


@dataclass
class Compact:
    """Columns by meaning.

    run[k, i] is 1 iff node i runs again in stage k. out[v] is 1 iff value v is paged out when it is first produced.
    pin[k, v, i] is 1 iff v is paged in right before event (k, i). held[k, v, i] is 1 iff v is in RAM after event (k, i),
    kept for events that touch v; held[k, v, -1] is 1 iff it is in RAM when stage k begins. home[w] is 1 iff weight w lives
    on the card between steps, where that is to be decided.
    """

    stages: Stages
    rows: Rows
    objective: str
    run: dict[tuple[int, int], int] = field(default_factory=dict)
    out: dict[int, int] = field(default_factory=dict)
    pin: dict[tuple[int, int, int], int] = field(default_factory=dict)
    held: dict[tuple[int, int, int], int] = field(default_factory=dict)
    home: dict[str, int] = field(default_factory=dict)
    peak: int = NONE
    last: list[int] = field(default_factory=list)  # value -> last stage in which it can be of use
    banned: Container[Key] = ()
    limit: int = 1 << 62

    def columns(self) -> dict[Key, int]:
        """Every column that a solution decides, under a key that outlives a rebuilding of the rows."""
        keys: dict[Key, int] = {("out", position): column for position, column in self.out.items() if column >= 0}
        for kind, columns in (("run", self.run), ("pin", self.pin), ("held", self.held)):
            keys |= {(kind, *key): column for key, column in columns.items() if column >= 0}
        return keys


def cost_of(compact: Compact, energy_pj: int, time_ns: int) -> int:
    if compact.objective == "energy" and compact.stages.problem.overlap:
        return energy_pj  # static power is paid for the makespan, which is a column of its own
    if compact.objective == "energy":
        return energy_pj + round(compact.stages.problem.baseline_mw * time_ns)
    return time_ns if compact.objective == "time" else 0
