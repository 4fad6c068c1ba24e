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


def count(compact: Compact) -> np.ndarray:
    """Adds a column for every count; returns which columns of the rows are to be whole.

    Counts are those of each node's further executions, of each value's page-ins, and of both over all that cost the same.
    """
    rows, ops, values = compact.rows, compact.stages.problem.ops, compact.stages.values
    groups: dict[tuple, list[int]] = defaultdict(list)
    for (k, node), column in compact.run.items():
        if k != node:
            groups["run", node].append(column)
            groups["runs", ops[node].again_pj].append(column)
    for (_, position, _), column in compact.pin.items():
        groups["pin", position].append(column)
        groups["pins", values[position].item.in_pj].append(column)
    outs = {position: column for position, column in compact.out.items() if column >= 0}
    for position, column in outs.items():
        groups["outs", values[position].item.out_pj].append(column)
    totals = []
    for columns in groups.values():
        if len(columns) > 1:
            totals.append(rows.column("count", high=len(columns)))
            rows.row([*((column, 1) for column in columns), (totals[-1], -1)], high=0, low=0)
    whole = np.zeros(len(rows.names), dtype=bool)
    whole[[*totals, *outs.values()]] = True
    return whole
