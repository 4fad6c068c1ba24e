# SPDX-License-Identifier: Apache-2.0
"""Averaging what several boards learned from the same start, each from its own samples.

McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data (AISTATS 2017), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.errors import InputError

Weights = dict[str, np.ndarray]


def delta(start: Weights, trained: Weights) -> Weights:
    """What training changed: trained minus start, f32, for each tensor of `start`."""
    return {name: trained[name] - value for name, value in start.items()}


def averaged(start: Weights, deltas: Sequence[Weights], samples: Sequence[int]) -> Weights:
    """`start` plus the mean of the deltas, each weighted by the number of samples it was learned from.

    Raises InputError when a delta is of another model, or counts and deltas do not belong together.
    """
    total = sum(samples)
    if len(deltas) != len(samples) or min(samples, default=0) <= 0:
        raise InputError(f"federated: {len(deltas)} deltas and the sample counts {list(samples)}", hint="one positive count each")
    shapes = {name: value.shape for name, value in start.items()}
    for number, change in enumerate(deltas):
        if {name: value.shape for name, value in change.items()} != shapes:
            raise InputError(f"federated: delta {number} is of another model")
    mean = {name: sum(count / total * change[name].astype(np.float64) for count, change in zip(samples, deltas, strict=True))
            for name in start}  # fmt: skip
    return {name: (value + mean[name]).astype(np.float32) for name, value in start.items()}
