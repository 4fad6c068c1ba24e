# SPDX-License-Identifier: Apache-2.0
"""The operators of the kernel table in NumPy: what the device's kernels are compared with.

Each takes (tensors, dims, hyper): arrays by operand name in their graph shapes, integer dimensions in the table's order
and the step's float settings by name. It writes into its outputs and mutated operands, as the device does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tercet.autodiff.kernels import (
    convolution,
    dense,
    elementwise,
    losses,
    normalisation,
    optimizers,
    pooling,
    sequence,
    tiles,
)
from tercet.kernel_table import KERNELS as TABLE
from tercet.kernel_table import named_dims

Tensors = dict[str, np.ndarray]
Function = Callable[[Tensors, Any, dict[str, float]], None]

_FUNCTIONS: dict[str, Function] = {
    **dense.KERNELS,
    **losses.KERNELS,
    **convolution.KERNELS,
    **pooling.KERNELS,
    **normalisation.KERNELS,
    **elementwise.KERNELS,
    **sequence.KERNELS,
    **optimizers.KERNELS,
}


def _by_name(op: str, function: Function) -> Callable[[Tensors, tuple[int, ...], dict[str, float]], None]:
    return lambda tensors, dims, hyper: function(tensors, named_dims(op, dims), hyper)


_FUNCTIONS |= {f"{op}_tile": tiles.tile(_FUNCTIONS[op]) for op in _FUNCTIONS if f"{op}_tile" in TABLE}

KERNELS = {op: _by_name(op, function) for op, function in _FUNCTIONS.items()}
