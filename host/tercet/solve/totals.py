# SPDX-License-Identifier: Apache-2.0
"""A relaxation in between: how often each thing happens is whole, when it happens is not.

The dear part of a schedule is how many executions and transfers of each kind it has. A branch and bound over these
few counts alone raises the LP's bound with a small tree, where one over every column drowns in ways to place the same
executions.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from tercet.solve.columns import Compact

Sort = tuple[str, int]  # ("runs", "pins" or "outs"; what one costs in picojoules)


def count(compact: Compact) -> np.ndarray:
    """Adds a column for every count; returns which columns of the rows are to be whole.

    Counts are those of each node's further executions, of each value's page-ins, and of both over all that cost the same.
    """
    groups: dict[tuple, list[int]] = defaultdict(list)
    for (k, node), column in compact.run.items():
        if k != node:
            groups["run", node].append(column)
    for (_, position, _), column in compact.pin.items():
        groups["pin", position].append(column)
    totals = [number(compact, columns) for columns in (*groups.values(), *sorts(compact).values()) if len(columns) > 1]
    whole = np.zeros(len(compact.rows.names), dtype=bool)
    whole[[*totals, *(column for column in compact.out.values() if column >= 0)]] = True
    return whole


def sorts(compact: Compact) -> dict[Sort, list[int]]:
    """The columns of executions, page-ins and page-outs by what one costs."""
    ops, values = compact.stages.problem.ops, compact.stages.values
    found: dict[Sort, list[int]] = defaultdict(list)
    for (k, node), column in compact.run.items():
        if k != node:
            found["runs", ops[node].again_pj].append(column)
    for (_, position, _), column in compact.pin.items():
        found["pins", values[position].item.in_pj].append(column)
    for position, column in compact.out.items():
        if column >= 0:
            found["outs", values[position].item.out_pj].append(column)
    return found


def number(compact: Compact, columns: list[int]) -> int:
    """Adds a column for how many of `columns` there are; returns its position."""
    total = compact.rows.column("count", high=len(columns))
    compact.rows.row([*((column, 1) for column in columns), (total, -1)], high=0, low=0)
    return total
