# SPDX-License-Identifier: Apache-2.0
"""Element-wise operators, softmax, dropout and the movement of data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tercet.autodiff.kernels.dense import activate

Array = np.ndarray
Hyper = dict[str, float]
Function = Callable[[dict[str, Array], Any, Hyper], None]


def _erf(x: Array) -> Array:
    return np.fromiter(map(math.erf, x.tolist()), x.dtype, x.size)


def philox_uniform(count: int, stream: int, seed: int, step: int) -> Array:
    """`count` numbers in [0, 1) with 24 bits: Philox-2x32-10 (Salmon et al., SC'11).

    Counter (element / 2, stream + 65536 step), key `seed`; element i takes word i % 2 of its pair.
    """
    multiplier, weyl, mask = np.uint64(0xD256D193), 0x9E3779B9, np.uint64(0xFFFFFFFF)
    left = np.arange((count + 1) // 2, dtype=np.uint64)
    right = np.full_like(left, (stream + 65536 * step) & 0xFFFFFFFF)
    key = seed & 0xFFFFFFFF
    for _ in range(10):
        wide = left * multiplier
        left, right = (wide >> np.uint64(32)) ^ np.uint64(key) ^ right, wide & mask
        key = (key + weyl) & 0xFFFFFFFF
    words = np.stack([left, right], axis=1).reshape(-1)[:count]
    return (words >> np.uint64(8)).astype(np.float64) * 2.0**-24


def _dropout(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    uniform = philox_uniform(int(d["count"]), d["stream"], int(hyper["seed"]), int(hyper["step"]))
    real = t["y"].dtype.type
    t["y"][...] = np.where(uniform >= d["drop"], t["x"] * real(1 / (1 - d["drop"])), real(0))


def _gelu_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x = t["x"]
    if d["tanh_form"]:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        t["y"][...] = 0.5 * x * (1 + np.tanh(inner))
    else:
        t["y"][...] = 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))


def _gelu_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x = t["x"]
    if d["tanh_form"]:
        tanh = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        derivative = 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * slope
    else:
        density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        derivative = 0.5 * (1 + _erf(x * math.sqrt(0.5))) + x * density
    t["dx"][...] = t["dy"] * derivative


def _softmax_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = softmax(t["x"].reshape(d["rows"], d["width"])).reshape(t["y"].shape)


def softmax(x: Array) -> Array:
    """exp(x) / sum exp(x) along the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _softmax_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    y, dy = (t[name].reshape(d["rows"], d["width"]) for name in ("y", "dy"))
    t["dx"][...] = (y * (dy - (dy * y).sum(axis=1, keepdims=True))).reshape(t["dx"].shape)


def _leaky_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = np.where(t["x"] > 0, t["x"], t["x"] * t["x"].dtype.type(d["alpha"]))


def _leaky_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["dx"][...] = np.where(t["y"] > 0, t["dy"], t["dy"] * t["dy"].dtype.type(d["alpha"]))


def _add(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = activate(t["a"] + t["b"], d["activation"])


def _multiply(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = t["a"] * t["b"]


def _accumulate(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] += t["x"]


def _scale(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = t["x"] * t["x"].dtype.type(d["factor"])


def _copy(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = t["x"]


def _activation(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = activate(t["x"], d["activation"])


def _concat(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    parts = [t[name].reshape(d["outer"], d[f"width_{name}"]) for name in ("a", "b")]
    t["y"][...] = np.concatenate(parts, axis=1).reshape(t["y"].shape)


def _slice(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    rows = t["x"].reshape(d["outer"], d["width_x"])
    t["y"][...] = rows[:, d["first"] : d["first"] + d["width_y"]].reshape(t["y"].shape)


def _slice_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    rows = np.zeros((d["outer"], d["width_x"]), t["dx"].dtype)
    rows[:, d["first"] : d["first"] + d["width_y"]] = t["dy"].reshape(d["outer"], d["width_y"])
    t["dx"][...] = rows.reshape(t["dx"].shape)


def _transpose(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    extents, axes = ([d[f"{name}_{axis}"] for axis in range(4)] for name in ("extent", "axis"))
    t["y"][...] = t["x"].reshape(extents).transpose(axes).reshape(t["y"].shape)


def _flat(function: Function) -> Function:
    """The function on flat views: tensors of several shapes may share the buffer of an element-wise operator."""
    return lambda t, d, hyper: function({name: value.reshape(-1) for name, value in t.items()}, d, hyper)


KERNELS = {
    "dropout": _flat(_dropout),
    "gelu_forward": _flat(_gelu_forward),
    "gelu_backward": _flat(_gelu_backward),
    "softmax_forward": _softmax_forward,
    "softmax_backward": _softmax_backward,
    "leaky_relu_forward": _flat(_leaky_forward),
    "leaky_relu_backward": _flat(_leaky_backward),
    "activation_forward": _flat(_activation),
    "add_forward": _flat(_add),
    "multiply_forward": _flat(_multiply),
    "accumulate": _flat(_accumulate),
    "scale": _flat(_scale),
    "copy": _flat(_copy),
    "concat": _concat,
    "slice": _slice,
    "slice_backward": _slice_backward,
    "transpose": _transpose,
}
