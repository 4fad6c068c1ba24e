# SPDX-License-Identifier: Apache-2.0
"""What an LP's optimum suggests: a policy to search from, and the columns that a good schedule is likely to need.

The LP settles what runs again and what is paged almost as a best schedule does, and is vague about when. So the dear
columns are taken from where it has them, and beside these each execution just before something that reads its output.
What is left is small enough for branch and bound to find schedules near the optimum, but its bound holds for nothing else.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from tercet.solve.columns import ONE, Compact, Key
from tercet.solve.policy import Policy

# Less of a column than this is none.
TRACE = 1e-6
# An execution or a transfer that the LP does not have is worth a column if its reduced cost is up to these shares of what is
# open: at a glance, and with more time.
Shares = tuple[float, float]
NARROW: Shares = (0.1, 0.2)
WIDE: Shares = (1.0, 0.3)


def policy(built: Compact, point: np.ndarray, paging: bool, rerun: bool) -> Policy:
    """The policy of an LP's optimum: what it keeps is dear, what it pages is paged."""
    page, weight = [], []
    held: dict[int, list[float]] = {}
    for (_, position, node), column in built.held.items():
        if node == -1:
            held.setdefault(position, []).append(float(column == ONE) if column < 0 else float(point[column]))
    for value in built.stages.values:
        out = built.out.get(value.position)
        page.append(out is not None and (out == ONE or point[out] > 0.5))
        kept = held.get(value.position, [0.0])
        weight.append(20.0 ** (2 * min(kept) - 1))
    return Policy(page, weight, paging, rerun)


def far(built: Compact, point: np.ndarray, reduced: np.ndarray, room: float, shares: Shares = WIDE) -> set[Key]:
    """The columns to leave out when looking near an LP's optimum.

    `reduced` costs [columns] above `room` are of no use to schedules that cost at most `room` more than the optimum.
    """
    runs, transfers_room = shares[0] * room, shares[1] * room
    stages = built.stages
    possible: dict[int, dict[int, int]] = defaultdict(dict)
    for (k, node), column in built.run.items():
        if column >= 0:
            possible[node][k] = column
    left_out: set[Key] = set()
    chosen: dict[int, set[int]] = defaultdict(set)
    # backwards, so that the stages in which readers run are known
    for node in sorted(possible, reverse=True):
        wanted = {reader for position in stages.writes[node] for reader in stages.values[position].readers}
        wanted = wanted.union(*(chosen[reader] for reader in wanted))
        for k, column in possible[node].items():
            if point[column] > TRACE or (k in wanted and reduced[column] <= runs):
                chosen[node].add(k)
            else:
                left_out.add(("run", k, node))
    transfers: dict[Key, int] = {("out", position): column for position, column in built.out.items()}
    transfers |= {("pin", *key): column for key, column in built.pin.items()}
    for key, column in transfers.items():
        if column >= 0 and point[column] <= TRACE and reduced[column] > transfers_room:
            left_out.add(key)
    return left_out
