# SPDX-License-Identifier: Apache-2.0
"""The networks of the compression table, and how they are trained and compressed."""

from __future__ import annotations

import dataclasses

from tercet.compress.finetune import Recipe
from tercet.model import Builder
from tercet.model.graph import Model


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network of the table and how it is trained and compressed."""

    key: str
    model: Model
    base: Recipe
    densities: tuple[float, ...]
    bits: tuple[int, ...]
    pruning: Recipe
    sharing: Recipe


def lenet300() -> Subject:
    """LeNet-300-100."""
    net = Builder("lenet-300-100", (1, 28, 28)).flatten().dense(300).relu().dense(100).relu().dense(10)
    base = Recipe(epochs=30, rate=1.5e-3, shift_pixels=1)
    pruning = Recipe(epochs=36, rate=5e-4, shift_pixels=1)
    sharing = Recipe(epochs=6, rate=5e-4, shift_pixels=1)
    return Subject("lenet300", net.model(), base, (0.0268, 0.0567, 0.34), (3, 3, 4), pruning, sharing)


def lenet5() -> Subject:
    """LeNet-5 as Caffe has it: 20 and 50 kernels of 5x5, 500 hidden units, one ReLU."""
    net = Builder("lenet-5", (1, 28, 28)).conv(20, 5).max_pool(2).conv(50, 5).max_pool(2).flatten().dense(500).relu().dense(10)
    base = Recipe(epochs=12, rate=1e-3, shift_pixels=1)
    pruning = Recipe(epochs=10, rate=1e-3, shift_pixels=1)
    sharing = Recipe(epochs=3, rate=3e-4, shift_pixels=1)
    return Subject("lenet5", net.model(), base, (0.5, 0.13, 0.017, 0.18), (4, 4, 3, 3), pruning, sharing)
