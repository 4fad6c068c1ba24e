# SPDX-License-Identifier: Apache-2.0
"""Operators with a sliding window, forward and backward in NumPy f32: convolution, pooling by maximum and by mean."""

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


def _for_signals(operator: Operator) -> Operator:
    """The operator on images, which takes signals `[batch, channels, length]` as images of height 1 too."""

    def image(x: Array) -> Array:
        return x[:, :, None] if x.ndim == 3 else x

    def forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
        out, saved = operator.forward(attrs, [image(x) for x in inputs], p)
        return (out[:, :, 0] if inputs[0].ndim == 3 else out), saved

    def to_inputs(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> list[Array]:
        found = operator.to_inputs(attrs, saved, p, image(dy))
        return [dx[:, :, 0] for dx in found] if dy.ndim == 3 else found

    def to_parameters(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> Parameters:
        return operator.to_parameters(attrs, saved, p, image(dy))

    return Operator(forward, to_inputs, to_parameters)


WINDOWED: dict[str, Operator] = {
    "conv2d": _for_signals(Operator(_conv_forward, _conv_to_inputs, _conv_to_parameters)),
    "max_pool": _for_signals(Operator(_max_forward, _max_to_inputs)),
    "average_pool": _for_signals(Operator(_average_forward, _average_to_inputs)),
}
