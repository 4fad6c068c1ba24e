# SPDX-License-Identifier: Apache-2.0
"""Inference in whole numbers: what the packed kernels compute on the board, in NumPy, bit by bit.

Weights are i8, feature maps 8 bits, sums i32. A layer's sum starts at its bias, moved to the grid of the sum, and
ends rounded to the
grid of its feature map (halves upwards), kept within 0..127 after a ReLU and -128..127 otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.compress.packed.values import I8, narrowest
from tercet.compress.windowed import columns as receptive_fields
from tercet.compress.windowed import windows
from tercet.errors import InputError
from tercet.model.graph import INPUT, Layer, Model
from tercet.model.weights import Weights


@dataclass(frozen=True)
class Step:
    """One operation of the integer network. `shift` brings sums to the next map's grid; None keeps the sums (the
    output)."""

    layer: Layer
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    bias_shift: int = 0
    shift: int | None = None
    low: int = -128


@dataclass(frozen=True)
class IntegerNetwork:
    """A chain of steps; the input is a u8 sample times 2^input_fraction / divisor, rounded, at most 127."""

    model: Model
    steps: tuple[Step, ...]
    input_fraction: int
    divisor: int

    def quantise_input(self, samples: np.ndarray) -> np.ndarray:
        """The input map i32 of u8 samples."""
        scaled = (samples.astype(np.int64) * 2 ** (self.input_fraction + 1) + self.divisor) // (2 * self.divisor)
        return np.minimum(scaled, 127).astype(np.int32)

    def logits(self, samples: np.ndarray) -> np.ndarray:
        """i32 `[samples, classes]` of u8 samples of any layout that fits the model's input."""
        value = self.quantise_input(samples).reshape(len(samples), *self.model.input_shape)
        for step in self.steps:
            value = _run(step, value)
        return value

    def labels(self, samples: np.ndarray) -> np.ndarray:
        """The class with the largest logit; of equals the first."""
        return self.logits(samples).argmax(1)


def lower(model: Model, weights: Weights, fractions: dict[str, int], divisor: int) -> IntegerNetwork:
    """The integer network of fixed-point weights (8 bits) and maps; raises InputError when the model is not such a
    chain."""
    if INPUT not in fractions or not 0 <= fractions[INPUT] <= 15:
        raise InputError("the input has no fractional length between 0 and 15", hint="calibrate the model first")
    steps: list[Step] = []
    before, grid = INPUT, fractions[INPUT]
    for at, layer in enumerate(model.layers):
        if layer.inputs != (before,):
            raise InputError(f"{layer.name} does not follow {before}: integer execution needs a chain")
        before = layer.name
        if layer.op in ("dense", "conv2d"):
            following = model.layers[at + 1] if at + 1 < len(model.layers) else None
            relu = following is not None and following.op == "activation"
            value = following.name if relu and following else layer.name
            if relu and following and following.attrs["kind"] != "relu":
                raise InputError(f"{value}: integer execution knows ReLU only")
            step, grid = _weighted(layer, weights, grid, fractions.get(value), relu, layer.name == model.output)
            steps.append(step)
        elif layer.op in ("flatten", "reshape", "max_pool"):
            steps.append(Step(layer))
        elif layer.op not in ("activation", "dropout"):
            raise InputError(f"{layer.name}: integer execution does not know {layer.op}")
    return IntegerNetwork(model, tuple(steps), fractions[INPUT], divisor)


def _weighted(layer: Layer, weights: Weights, grid: int, out: int | None, relu: bool, last: bool) -> tuple[Step, int]:
    kind = narrowest(weights[layer.parameters["w"]])
    if kind.code != I8:
        raise InputError(f"{layer.name}: its weights do not fit 8 bits with one binary point", hint="round them first")
    if out is None and not last:
        raise InputError(f"{layer.name}: its feature map has no fractional length", hint="calibrate the model first")
    stored = np.ldexp(weights[layer.parameters["w"]].astype(np.float64), kind.fraction).astype(np.int8)
    bias, moved = None, 0
    if "b" in layer.parameters:
        values = weights[layer.parameters["b"]]
        point = narrowest(values)
        moved = kind.fraction + grid - point.fraction
        if point.code != I8 or moved > 23:
            raise InputError(f"{layer.name}: its bias does not fit 8 bits and the grid of its sums", hint="round it first")
        bias = np.ldexp(values.astype(np.float64), point.fraction).astype(np.int8)
    shift = None if last else kind.fraction + grid - int(out or 0)
    return Step(layer, stored, bias, moved, shift, 0 if relu else -128), grid if last else int(out or 0)


def _run(step: Step, value: np.ndarray) -> np.ndarray:
    layer = step.layer
    if value.ndim == 3 and layer.op in ("conv2d", "max_pool"):  # a signal is an image of height 1
        return _run(step, value[:, :, None])[:, :, 0]
    if layer.op in ("flatten", "reshape"):
        return value.reshape(len(value), *layer.attrs.get("shape", [-1]))
    if layer.op == "max_pool":
        return windows(value, layer.attrs, -128).max((4, 5))
    assert step.weights is not None
    if layer.op == "dense":
        total = _product(value, step.weights)
    else:
        fields = receptive_fields(value, layer.attrs)
        groups = layer.attrs["groups"]
        kernels = step.weights.reshape(groups, len(step.weights) // groups, -1)
        extent = windows(value[:1], layer.attrs).shape[2:4]
        total = np.matmul(kernels.astype(np.float64), fields.astype(np.float64)).astype(np.int32)
        total = total.reshape(-1, *extent, len(value)).transpose(3, 0, 1, 2)
    if step.bias is not None:
        total += shifted_bias(step.bias, step.bias_shift).reshape(1, -1, *[1] * (total.ndim - 2))
    return total if step.shift is None else requantise(total, step.shift, step.low)


def _product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x w' in i32: sums of at most 65,535 products of 8 bits are exact in f64, where a matrix product is fast."""
    return (x.astype(np.float64) @ w.T.astype(np.float64)).astype(np.int32)


def shifted_bias(bias: np.ndarray, shift: int) -> np.ndarray:
    """i8 biases on the grid of the sums: times 2^shift, halves rounded up."""
    wide = bias.astype(np.int32)
    return wide << shift if shift >= 0 else ((wide >> min(-shift - 1, 31)) + 1) >> 1


def requantise(total: np.ndarray, shift: int, low: int) -> np.ndarray:
    """round(total 2^-shift), halves upwards, within low..127, as the kernel does."""
    wide = total.astype(np.int64)
    wide = ((wide >> (shift - 1)) + 1) >> 1 if shift > 0 else wide << min(-shift, 32)
    return np.clip(wide, low, 127).astype(np.int32)
