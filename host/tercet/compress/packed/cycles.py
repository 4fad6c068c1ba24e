# SPDX-License-Identifier: Apache-2.0
"""What a layer costs in each format of execution: bytes in memory and cycles of a Cortex-M4 at zero wait states.

The cycle figures are fitted to runs of the kernels in firmware/kernels on the virtual board (docs/compression.md):
they are modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.compress.packed.tensor import gaps_of, matrix
from tercet.compress.packed.values import I8, narrowest

PER_ROW = 27.0  # bias, rounding and the loop of one output
DENSE = 2.15
TABLE = {4: 4.0, 2: 3.75}
DELTA_ENTRY, DELTA_ROW = 9.5, 22.0
CSC_ENTRY, CSC_COLUMN, CSC_SKIPPED = 11.5, 30.0, 7.0
ACTIVE_SHARE = 0.4  # of inputs that are not zero, where nothing was measured


@dataclass(frozen=True)
class Cost:
    """`bytes_in_memory` of the weights as executed and `cycles` of one run for one sample."""

    format: str
    bytes_in_memory: int
    cycles: float


def entries(line: np.ndarray) -> int:
    """Entries that a line of weights takes, bridges over distances above 255 included."""
    positions = np.flatnonzero(line)
    return len(gaps_of(positions, 257)[0]) if len(positions) else 0


def costs(weights: np.ndarray, positions: int = 1, active_share: float = ACTIVE_SHARE) -> dict[str, Cost]:
    """The possible formats of a weight tensor that runs at `positions` places (1 for a dense layer).

    Formats need 8-bit values with one binary point; without it only `float` (f32, about 4.8 cycles a product) is
    possible.
    """
    table = matrix(weights)
    rows, columns = table.shape
    if narrowest(table).code != I8:
        return {"float": Cost("float", 4 * table.size, positions * (4.8 * table.size + PER_ROW * rows))}
    base = PER_ROW * rows
    found = [Cost("dense", table.size, positions * (base + DENSE * table.size))]
    by_row, by_column = (sum(entries(line) for line in view) for view in (table, table.T))
    cycles = base + DELTA_ROW * rows + DELTA_ENTRY * by_row
    found.append(Cost("delta", 2 * by_row + 2 * (rows + 1), positions * cycles))
    cycles = base + active_share * (CSC_ENTRY * by_column + CSC_COLUMN * columns)
    cycles += (1 - active_share) * CSC_SKIPPED * columns
    found.append(Cost("csc", 2 * by_column + 2 * (columns + 1), positions * cycles))
    values = len(np.unique(table))
    for bits in (4, 2):
        if values <= 2**bits:
            size = rows * -(-columns * bits // 8) + 256 * 2 * (8 // bits)
            found.append(Cost(f"table{bits}", size, positions * (base + TABLE[bits] * table.size)))
    return {cost.format: cost for cost in found}


def fastest(weights: np.ndarray, positions: int = 1, active_share: float = ACTIVE_SHARE) -> Cost:
    """The format with the fewest cycles; of equals the smaller."""
    found = costs(weights, positions, active_share).values()
    return min(found, key=lambda cost: (cost.cycles, cost.bytes_in_memory))
