# SPDX-License-Identifier: Apache-2.0
"""Operators with a sliding window, forward and backward in NumPy f32: convolution, pooling by maximum and by mean.

Images are `[batch, channels, height, width]` to everybody; here they lie in memory with the batch innermost, so that a
convolution is one product of two matrices and what slides moves runs of whole batches.
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


def windows(x: Array, attrs: Attrs, fill: float = 0.0) -> Array:
    """A view `[batch, channels, out_height, out_width, kernel_height, kernel_width]` of padded images."""
    (kh, kw), (sh, sw), (top, left, bottom, right) = attrs["kernel"], attrs["stride"], attrs["pad"]
    if top or left or bottom or right:
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return sliding_window_view(x, (kh, kw), (2, 3))[:, :, ::sh, ::sw]


def _batch_last(x: Array) -> Array:
    """`[batch, channels, height, width]` as contiguous `[channels, height, width, batch]`: what slides then moves whole runs."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def columns(x: Array, attrs: Attrs) -> Array:
    """The receptive fields of a convolution, `[groups, channels / groups * kernel, positions * batch]`, contiguous."""
    view = windows(_batch_last(x).transpose(3, 0, 1, 2), attrs)
    batch, channels, oh, ow, kh, kw = view.shape
    groups = attrs["groups"]
    ordered = np.ascontiguousarray(view.transpose(1, 4, 5, 2, 3, 0))
    return ordered.reshape(groups, channels // groups * kh * kw, oh * ow * batch)


class _Scatter:
    """The adjoint of `windows`: adds values up into images of `shape`, one place of the window at a time."""

    def __init__(self, shape: tuple[int, ...], attrs: Attrs, extent: tuple[int, ...]) -> None:
        batch, channels, height, width = shape
        (self.sh, self.sw), (self.top, self.left, bottom, right) = attrs["stride"], attrs["pad"]
        self.height, self.width, (self.oh, self.ow) = height, width, extent
        self.padded = np.zeros((channels, height + self.top + bottom, width + self.left + right, batch), np.float32)

    def at(self, i: int, j: int) -> Array:
        """What lies under place (i, j) of the window, `[channels, oh, ow, batch]`: add to it."""
        return self.padded[:, i : i + self.sh * self.oh : self.sh, j : j + self.sw * self.ow : self.sw]

    def images(self) -> Array:
        """The sums `[batch, channels, height, width]`."""
        inside = self.padded[:, self.top : self.top + self.height, self.left : self.left + self.width]
        return inside.transpose(3, 0, 1, 2)


def _conv_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x, w, groups = inputs[0], p["w"], attrs["groups"]
    cols = columns(x, attrs)
    out = np.matmul(w.reshape(groups, w.shape[0] // groups, -1), cols)
    out = out.reshape(w.shape[0], *windows(x[:1], attrs).shape[2:4], len(x)).transpose(3, 0, 1, 2)
    if "b" in p:
        out += p["b"][:, None, None]
    return out, (cols, x.shape)


def _conv_to_inputs(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> list[Array]:
    shape, w, groups = saved[1], p["w"], attrs["groups"]
    flat = _batch_last(dy).reshape(groups, w.shape[0] // groups, -1)
    dcols = np.matmul(w.reshape(groups, w.shape[0] // groups, -1).transpose(0, 2, 1), flat)
    kh, kw = attrs["kernel"]
    dcols = dcols.reshape(shape[1], kh, kw, *dy.shape[2:], shape[0])
    sums = _Scatter(shape, attrs, dy.shape[2:])
    for i in range(kh):
        for j in range(kw):
            under = sums.at(i, j)
            under += dcols[:, i, j]
    return [sums.images()]


def _conv_to_parameters(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> Parameters:
    cols, w, groups = saved[0], p["w"], attrs["groups"]
    flat = _batch_last(dy).reshape(groups, w.shape[0] // groups, -1)
    grads = {"w": np.matmul(flat, cols.transpose(0, 2, 1)).reshape(w.shape)}
    return grads | {"b": dy.sum((0, 2, 3))} if "b" in p else grads


def _max_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    view = windows(inputs[0], attrs, -np.inf)
    out = view[..., 0, 0].copy(order="K")
    for i in range(view.shape[4]):
        for j in range(view.shape[5]):
            np.maximum(out, view[..., i, j], out=out)
    return out, (inputs[0], out)


def _max_to_inputs(attrs: Attrs, saved: Any, p: Parameters, dy: Array) -> list[Array]:
    x, out = saved
    view = windows(x, attrs, -np.inf)
    free = np.ones_like(out, bool)  # the first of equal maxima takes the gradient, as the device does
    sums, dy = _Scatter(x.shape, attrs, out.shape[2:]), _batch_last(dy).transpose(3, 0, 1, 2)
    for i in range(view.shape[4]):
        for j in range(view.shape[5]):
            hit = free & (view[..., i, j] == out)
            under = sums.at(i, j)
            under += (dy * hit).transpose(1, 2, 3, 0)
            free &= ~hit
    return [sums.images()]


def _average_counts(shape: tuple[int, ...], attrs: Attrs) -> Array:
    if attrs.get("count_padding"):
        return np.full((1, 1, 1, 1), attrs["kernel"][0] * attrs["kernel"][1], np.float32)
    return windows(np.ones((1, 1, *shape[2:]), np.float32), attrs).sum((4, 5))


def _average_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    return windows(inputs[0], attrs).sum((4, 5)) / _average_counts(inputs[0].shape, attrs), inputs[0].shape


def _average_to_inputs(attrs: Attrs, shape: Any, p: Parameters, dy: Array) -> list[Array]:
    share = _batch_last(dy / _average_counts(shape, attrs))
    sums = _Scatter(shape, attrs, dy.shape[2:])
    for i in range(attrs["kernel"][0]):
        for j in range(attrs["kernel"][1]):
            under = sums.at(i, j)
            under += share
    return [sums.images()]


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
