# SPDX-License-Identifier: Apache-2.0
"""Knapsack rows made tight: a budget that no set of tensors can fill exactly is lowered to the fullest set below it.

Activations are multiples of a few sizes, so that much of a budget may be out of reach; solutions stay the same, the
LP relaxation becomes stronger.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from tercet.solve.rows import INFINITY, Rows

# Above this many distinct sums below the budget a row is left as it is: nearly every sum can be reached there.
MOST_SUMS = 1 << 16


def tighten(rows: Rows) -> None:
    """Lowers the right-hand sides of rows over 0/1 columns with positive coefficients."""
    for index, terms in enumerate(rows.row_terms):
        high = rows.row_high[index]
        if not 1 < high < INFINITY or rows.row_low[index] > -INFINITY or len(terms) < 2:
            continue
        if all(a > 0 and rows.whole[c] and rows.high[c] <= 1 for c, a in terms):
            rows.row_high[index] = _fullest(tuple(sorted(a for _, a in terms)), high)


@lru_cache(maxsize=4096)
def _fullest(sizes: tuple[int, ...], budget: int) -> int:
    """The largest sum of a subset of `sizes` that `budget` holds; the budget itself where counting is too long."""
    unit = gcd(*sizes)
    room = budget // unit
    if sum(sizes) <= budget or room > MOST_SUMS:
        return budget
    reachable, mask = 1, (1 << (room + 1)) - 1
    for size in sizes:
        reachable |= (reachable << (size // unit)) & mask
    return (reachable.bit_length() - 1) * unit
