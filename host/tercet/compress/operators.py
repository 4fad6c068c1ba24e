# SPDX-License-Identifier: Apache-2.0
"""Forward and backward of a model's operators over batches, in NumPy f32, fast enough to fine-tune small networks.

Each operator is `forward(attrs, inputs, parameters) -> (output, saved)` and two functions of
`(attrs, saved, parameters, gradient)`: the gradients of its inputs and those of its parameters.
Batch first, images NCHW. Batch normalisation uses its running statistics, which fine-tuning leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray
Attrs = dict[str, Any]
Parameters = dict[str, Array]


class Operator(NamedTuple):
    """Forward, gradients of the inputs, gradients of the parameters."""

    forward: Callable[[Attrs, list[Array], Parameters], tuple[Array, Any]]
    to_inputs: Callable[[Attrs, Any, Parameters, Array], list[Array]]
    to_parameters: Callable[[Attrs, Any, Parameters, Array], Parameters] = lambda attrs, saved, p, dy: {}


def _dense_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    out = inputs[0] @ p["w"].T
    return (out + p["b"] if "b" in p else out), inputs[0]


def _dense_to_inputs(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> list[Array]:
    return [dy @ p["w"]]


def _dense_to_parameters(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> Parameters:
    flat_dy, flat_x = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    grads = {"w": flat_dy.T @ flat_x}
    return grads | {"b": flat_dy.sum(0)} if "b" in p else grads


def windows(x: Array, attrs: Attrs, fill: float = 0.0) -> Array:
    """A view `[batch, channels, out_height, out_width, kernel_height, kernel_width]` of padded images."""
    (kh, kw), (sh, sw), (top, left, bottom, right) = attrs["kernel"], attrs["stride"], attrs["pad"]
    if top or left or bottom or right:
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return sliding_window_view(x, (kh, kw), (2, 3))[:, :, ::sh, ::sw]


def columns(x: Array, attrs: Attrs) -> Array:
    """The receptive fields of a convolution, `[batch, groups, channels / groups * kernel, positions]`, contiguous."""
    view = windows(x, attrs)
    batch, channels, oh, ow, kh, kw = view.shape
    groups = attrs["groups"]
    ordered = view.transpose(0, 1, 4, 5, 2, 3)
    return np.ascontiguousarray(ordered).reshape(batch, groups, channels // groups * kh * kw, oh * ow)


def _scatter(dcols: Array, shape: tuple[int, ...], attrs: Attrs, extent: tuple[int, int]) -> Array:
    """The adjoint of `windows`: adds `[batch, channels, kh, kw, oh, ow]` up into images of `shape`."""
    (sh, sw), (top, left, bottom, right) = attrs["stride"], attrs["pad"]
    batch, channels, height, width = shape
    padded = np.zeros((batch, channels, height + top + bottom, width + left + right), np.float32)
    oh, ow = extent
    for i in range(dcols.shape[2]):
        for j in range(dcols.shape[3]):
            padded[:, :, i : i + sh * oh : sh, j : j + sw * ow : sw] += dcols[:, :, i, j]
    return padded[:, :, top : top + height, left : left + width]


def _conv_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x, w, groups = inputs[0], p["w"], attrs["groups"]
    cols = columns(x, attrs)
    out = np.matmul(w.reshape(1, groups, w.shape[0] // groups, -1), cols)
    view = windows(x[:1], attrs)
    out = out.reshape(len(x), w.shape[0], *view.shape[2:4])
    if "b" in p:
        out += p["b"][:, None, None]
    return out, (cols, x.shape)


def _conv_to_inputs(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> list[Array]:
    shape, w, groups = saved[1], p["w"], attrs["groups"]
    flat = dy.reshape(shape[0], groups, w.shape[0] // groups, -1)
    dcols = np.matmul(w.reshape(1, groups, w.shape[0] // groups, -1).transpose(0, 1, 3, 2), flat)
    (kh, kw), extent = attrs["kernel"], (dy.shape[2], dy.shape[3])
    return [_scatter(dcols.reshape(shape[0], shape[1], kh, kw, *extent), shape, attrs, extent)]


def _conv_to_parameters(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> Parameters:
    cols, w, groups = saved[0], p["w"], attrs["groups"]
    flat = dy.reshape(len(cols), groups, w.shape[0] // groups, -1)
    grads = {"w": np.matmul(flat, cols.transpose(0, 1, 3, 2)).sum(0).reshape(w.shape)}
    return grads | {"b": dy.sum((0, 2, 3))} if "b" in p else grads


def _max_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    view = windows(inputs[0], attrs, -np.inf)
    out = view[..., 0, 0].copy()
    for i in range(view.shape[4]):
        for j in range(view.shape[5]):
            np.maximum(out, view[..., i, j], out=out)
    return out, (inputs[0], out)


def _max_to_inputs(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> list[Array]:
    x, out = saved
    view = windows(x, attrs, -np.inf)
    kh, kw = attrs["kernel"]
    free = np.ones(out.shape, bool)  # the first of equal maxima takes the gradient, as the device does
    parts = np.zeros((*out.shape[:2], kh, kw, *out.shape[2:]), np.float32)
    for i in range(kh):
        for j in range(kw):
            hit = free & (view[..., i, j] == out)
            parts[:, :, i, j] = dy * hit
            free &= ~hit
    return [_scatter(parts, x.shape, attrs, out.shape[2:])]


def _average_counts(shape: tuple[int, ...], attrs: Attrs) -> Array:
    if attrs.get("count_padding"):
        return np.full((1, 1, 1, 1), attrs["kernel"][0] * attrs["kernel"][1], np.float32)
    return windows(np.ones((1, 1, *shape[2:]), np.float32), attrs).sum((4, 5))


def _average_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    return windows(inputs[0], attrs).sum((4, 5)) / _average_counts(inputs[0].shape, attrs), inputs[0].shape


def _average_to_inputs(attrs: Attrs, shape: Any, p: Parameters, dy: Array) -> list[Array]:
    share = dy / _average_counts(shape, attrs)
    kh, kw = attrs["kernel"]
    parts = np.broadcast_to(share[:, :, None, None], (*share.shape[:2], kh, kw, *share.shape[2:]))
    return [_scatter(parts, shape, attrs, share.shape[2:])]


def _global_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    return inputs[0].mean(tuple(range(2, inputs[0].ndim))), inputs[0].shape


def _global_to_inputs(attrs: Attrs, shape: Any, p: Parameters, dy: Array) -> list[Array]:
    share = dy / np.float32(np.prod(shape[2:]))
    return [np.broadcast_to(share.reshape(*share.shape, *[1] * (len(shape) - 2)), shape)]


def _activation_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x, kind = inputs[0], attrs["kind"]
    if kind == "relu":
        y = np.maximum(x, 0)
    elif kind == "relu6":
        y = np.clip(x, 0, 6)
    elif kind == "tanh":
        y = np.tanh(x)
    elif kind == "sigmoid":
        y = 1 / (1 + np.exp(-x))
    else:  # leaky_relu
        y = np.where(x > 0, x, np.float32(attrs["alpha"]) * x)
    return y, y


def _activation_to_inputs(attrs: Attrs, y: Array, p: Parameters, dy: Array) -> list[Array]:
    slope = {
        "relu": lambda: y > 0,
        "relu6": lambda: (y > 0) & (y < 6),
        "tanh": lambda: 1 - y * y,
        "sigmoid": lambda: y * (1 - y),
        "leaky_relu": lambda: np.where(y > 0, 1, attrs["alpha"]).astype(np.float32),
    }[attrs["kind"]]()
    return [dy * slope]


def _reshape_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x = inputs[0]
    return x.reshape(len(x), *attrs.get("shape", [-1])), x.shape


def _batch_norm_scale(attrs: Attrs, p: Parameters) -> Array:
    return p["gamma"] / np.sqrt(p["running_variance"] + np.float32(attrs["epsilon"]))


def _over(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def _norm_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x = inputs[0]
    return (x - _over(p["running_mean"], x)) * _over(_batch_norm_scale(attrs, p), x) + _over(p["beta"], x), x


def _norm_to_inputs(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> list[Array]:
    return [dy * _over(_batch_norm_scale(attrs, p), x)]


def _norm_to_parameters(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> Parameters:
    axes = (0, *range(2, x.ndim))
    deviation = np.sqrt(p["running_variance"] + np.float32(attrs["epsilon"]))
    centred = (x - _over(p["running_mean"], x)) / _over(deviation, x)
    return {"gamma": (dy * centred).sum(axes), "beta": dy.sum(axes)}


def _reshape_to_inputs(attrs: Attrs, shape: Any, p: Parameters, dy: Array) -> list[Array]:
    return [dy.reshape(shape)]


OPERATORS: dict[str, Operator] = {
    "dense": Operator(_dense_forward, _dense_to_inputs, _dense_to_parameters),
    "conv2d": Operator(_conv_forward, _conv_to_inputs, _conv_to_parameters),
    "max_pool": Operator(_max_forward, _max_to_inputs),
    "average_pool": Operator(_average_forward, _average_to_inputs),
    "global_average_pool": Operator(_global_forward, _global_to_inputs),
    "activation": Operator(_activation_forward, _activation_to_inputs),
    "flatten": Operator(_reshape_forward, _reshape_to_inputs),
    "reshape": Operator(_reshape_forward, _reshape_to_inputs),
    "add": Operator(lambda attrs, x, p: (x[0] + x[1], None), lambda attrs, saved, p, dy: [dy, dy]),
    "dropout": Operator(lambda attrs, x, p: (x[0], None), lambda attrs, saved, p, dy: [dy]),
    "batch_norm": Operator(_norm_forward, _norm_to_inputs, _norm_to_parameters),
}
ACTIVATION_KINDS = ("relu", "relu6", "tanh", "sigmoid", "leaky_relu")
