# SPDX-License-Identifier: Apache-2.0
"""How often and how long a card stalls: many transfers, of which those that take far longer than usual are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tercet.costs import CostTable, PageCost
from tercet.profile.bench import Bench, Raw
from tercet.profile.cases import pages

BLOCKS, COPIES, ROUNDS = 16, 16, 20  # of a transfer; transfers of a round; 5,120 blocks in each direction
_LONGEST_US = 250_000.0  # SD Physical Layer Simplified Specification, 4.6.2.2: the write timeout
_SHARE, _LEAST_US = 0.05, 500.0  # beyond the usual time of a transfer: such a one has met a stall


def measure(runner: Bench, table: CostTable) -> CostTable:
    """The table, its page costs with the stalls that the board's card shows in 5,120 blocks written and as many read.

    Raises MeterError when the measurement is INVALID, BoardError when the board fails.
    """
    made = pages((BLOCKS,)) * COPIES
    raw = runner.repeated(made, ROUNDS)
    page_out, page_in = (
        of_transfers(raw, list(range(at, len(made), 2)), cost) for at, cost in enumerate((table.page_out, table.page_in))
    )
    return replace(table, page_out=page_out, page_in=page_in)


def of_transfers(raw: Raw, which: list[int], cost: PageCost) -> PageCost:
    """The page cost with the stalls among the transfers in columns `which`: chance a block, time and energy of one, and the 95 %
    interval of their mean time a block, for stalls that come independently of each other."""
    times = raw.time_us[:, which].ravel()
    usual = float(np.median(times))
    late = times > usual + max(_SHARE * usual, _LEAST_US)
    excess, blocks = times[late] - usual, BLOCKS * len(times)
    if not late.any():
        # with 95 % confidence less than three in so many blocks, each of the longest that the specification allows
        return replace(cost, stall_chance=0.0, stall_us=0.0, stall_nj=0.0, stall_ci_us=3 * _LONGEST_US / blocks)
    energy = 0.0
    if raw.net_j is not None:
        each = raw.net_j[:, which].ravel() * 1e9
        energy = max(0.0, float(np.mean(each[late] - np.median(each))))
    return replace(
        cost, stall_chance=len(excess) / blocks, stall_us=float(excess.mean()), stall_nj=energy,
        stall_ci_us=1.96 * float(np.sqrt((excess**2).sum())) / blocks,
    )  # fmt: skip
