# SPDX-License-Identifier: Apache-2.0
"""Knapsack rows made tight and short: what no set of tensors can fill goes, and tensors too small to matter go.

Activations are multiples of a few sizes, so that much of a budget may be out of reach: it is lowered to the fullest set
below it. Where the small tensors of a row fit together beside any set of the large ones, they do not count. Solutions
stay the same, the LP relaxation becomes stronger, and solvers see small numbers to derive their cuts from.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from tercet.solve.rows import INFINITY, Rows

# Above this many distinct sums below the budget a row is left as it is: nearly every sum can be reached there.
MOST_SUMS = 1 << 16


def tighten(rows: Rows) -> None:
    """Shortens rows over 0/1 columns with positive coefficients, lowers their right-hand sides, divides by what all share."""
    for index, terms in enumerate(rows.row_terms):
        high = rows.row_high[index]
        if not 1 < high < INFINITY or rows.row_low[index] > -INFINITY or len(terms) < 2:
            continue
        if all(a > 0 and rows.whole[c] and rows.high[c] <= 1 for c, a in terms):
            least, high = _binding(tuple(sorted(a for _, a in terms)), high)
            kept = [(c, a) for c, a in terms if a >= least]
            unit = gcd(*(a for _, a in kept))
            rows.row_terms[index] = [(c, a // unit) for c, a in kept]
            rows.row_high[index] = high // unit


@lru_cache(maxsize=4096)
def _binding(sizes: tuple[int, ...], budget: int) -> tuple[int, int]:
    """The smallest of the sorted `sizes` that counts, and the right-hand side of what then remains."""
    total = sum(sizes)
    for least in sorted(set(sizes), reverse=True):
        large = tuple(size for size in sizes if size >= least)
        filled = fullest(large, budget)
        if filled + total - sum(large) <= budget:
            return least, filled
    return sizes[0], budget


@lru_cache(maxsize=4096)
def fullest(sizes: tuple[int, ...], budget: int) -> int:
    """The largest sum of a subset of `sizes` that `budget` holds; the budget itself where counting is too long."""
    unit = gcd(*sizes)
    room = budget // unit
    if sum(sizes) <= budget or room > MOST_SUMS:
        return budget
    reachable, mask = 1, (1 << (room + 1)) - 1
    for size in sizes:
        reachable |= (reachable << (size // unit)) & mask
    return (reachable.bit_length() - 1) * unit
