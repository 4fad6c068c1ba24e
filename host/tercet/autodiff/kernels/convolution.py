# SPDX-License-Identifier: Apache-2.0
"""Convolutions, grouped and depthwise, NCHW with weights OIHW."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.autodiff.kernels.dense import activate, descend, store

Array = np.ndarray
Hyper = dict[str, float]


def padded(x: Array, d: Any, fill: float = 0.0) -> Array:
    """x [N, C, H, W] with `fill` around it, exactly as large as the windows reach."""
    height = (d["out_height"] - 1) * d["stride_height"] + d["kernel_height"]
    width = (d["out_width"] - 1) * d["stride_width"] + d["kernel_width"]
    wide = np.full((*x.shape[:2], height, width), fill, x.dtype)
    rows = min(d["in_height"], height - d["pad_top"])
    columns = min(d["in_width"], width - d["pad_left"])
    top, left = d["pad_top"], d["pad_left"]
    wide[:, :, top : top + rows, left : left + columns] = x[:, :, :rows, :columns]
    return wide


def cropped(wide: Array, d: Any) -> Array:
    """The inverse of `padded`: [N, C, H, W] from the padded extent, zeros where no window reached."""
    x = np.zeros((*wide.shape[:2], d["in_height"], d["in_width"]), wide.dtype)
    inside = wide[:, :, d["pad_top"] :, d["pad_left"] :][:, :, : d["in_height"], : d["in_width"]]
    x[:, :, : inside.shape[2], : inside.shape[3]] = inside
    return x


def windows(x: Array, d: Any, fill: float = 0.0) -> Array:
    """A view [N, C, out_height, out_width, kernel_height, kernel_width] of the padded x."""
    size = (d["kernel_height"], d["kernel_width"])
    view = np.lib.stride_tricks.sliding_window_view(padded(x, d, fill), size, axis=(2, 3))
    return view[:, :, :: d["stride_height"], :: d["stride_width"]]


def taps(wide: Array, d: Any) -> Any:
    """For each window position (i, j): the view [N, C, out_height, out_width] of what it reads in the padded extent."""
    rows, columns = d["stride_height"] * d["out_height"], d["stride_width"] * d["out_width"]
    for i in range(d["kernel_height"]):
        for j in range(d["kernel_width"]):
            yield i, j, wide[:, :, i : i + rows : d["stride_height"], j : j + columns : d["stride_width"]]


def _x(t: dict[str, Array], d: Any, name: str = "x") -> Array:
    channels = d["in_channels"] if "in_channels" in d else d["channels"]
    return t[name].reshape(d["batch"], channels, d["in_height"], d["in_width"])


def _z(t: dict[str, Array], d: Any, name: str = "dz") -> Array:
    channels = d["out_channels"] if "out_channels" in d else d["channels"]
    return t[name].reshape(d["batch"], channels, d["out_height"], d["out_width"])


def _columns(x: Array, d: Any, group: int) -> Array:
    """[N * out_height * out_width, channels of the group * kernel]."""
    each = d["in_channels"] // d["groups"]
    view = windows(x[:, group * each : (group + 1) * each], d)
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(d["batch"] * d["out_height"] * d["out_width"], -1)


def _rows(z: Array, d: Any, group: int) -> Array:
    """[N * out_height * out_width, output channels of the group]."""
    each = d["out_channels"] // d["groups"]
    return z[:, group * each : (group + 1) * each].transpose(0, 2, 3, 1).reshape(-1, each)


def _forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x, y = _x(t, d), _z(t, d, "y")
    each = d["out_channels"] // d["groups"]
    for group in range(d["groups"]):
        mine = slice(group * each, (group + 1) * each)
        rows = _columns(x, d, group) @ t["w"][mine].reshape(each, -1).T
        if "b" in t:
            rows += t["b"][mine]
        shape = (d["batch"], d["out_height"], d["out_width"], each)
        y[:, mine] = activate(rows, d["activation"]).reshape(shape).transpose(0, 3, 1, 2)


def _backward_data(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dz, dx = _z(t, d), _x(t, d, "dx")
    each_in, each_out = d["in_channels"] // d["groups"], d["out_channels"] // d["groups"]
    wide = np.zeros_like(padded(dx, d))
    for group in range(d["groups"]):
        w = t["w"][group * each_out : (group + 1) * each_out].reshape(each_out, -1)
        columns = (_rows(dz, d, group) @ w).reshape(
            d["batch"], d["out_height"], d["out_width"], each_in, d["kernel_height"], d["kernel_width"]
        )
        part = wide[:, group * each_in : (group + 1) * each_in]
        for i, j, view in taps(part, d):
            np.add(view, columns[..., i, j].transpose(0, 3, 1, 2), out=view)
    dx[...] = cropped(wide, d)


def gradients(t: dict[str, Array], d: Any) -> tuple[Array, Array]:
    """(dw, db) of a convolution."""
    x, dz = _x(t, d), _z(t, d)
    parts = [_rows(dz, d, group).T @ _columns(x, d, group) for group in range(d["groups"])]
    return np.concatenate(parts), dz.sum(axis=(0, 2, 3))


def _depthwise_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    y = np.zeros_like(_z(t, d, "y"))
    for i, j, view in taps(padded(_x(t, d), d), d):
        y += view * t["w"][:, 0, i, j, None, None]
    if "b" in t:
        y += t["b"][:, None, None]
    _z(t, d, "y")[...] = activate(y, d["activation"])


def _depthwise_backward_data(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dz, dx = _z(t, d), _x(t, d, "dx")
    wide = np.zeros_like(padded(dx, d))
    for i, j, view in taps(wide, d):
        np.add(view, dz * t["w"][:, 0, i, j, None, None], out=view)
    dx[...] = cropped(wide, d)


def depthwise_gradients(t: dict[str, Array], d: Any) -> tuple[Array, Array]:
    """(dw, db) of a depthwise convolution."""
    dz = _z(t, d)
    dw = np.empty((d["channels"], 1, d["kernel_height"], d["kernel_width"]), dz.dtype)
    for i, j, view in taps(padded(_x(t, d), d), d):
        dw[:, 0, i, j] = (view * dz).sum(axis=(0, 2, 3))
    return dw, dz.sum(axis=(0, 2, 3))


KERNELS = {
    "conv2d_forward": _forward,
    "conv2d_backward_data": _backward_data,
    "conv2d_backward_weights": lambda t, d, hyper: store(t, *gradients(t, d)),
    "conv2d_update_sgd": lambda t, d, hyper: descend(t, *gradients(t, d), hyper),
    "conv2d_update_momentum": lambda t, d, hyper: descend(t, *gradients(t, d), hyper),
    "depthwise_forward": _depthwise_forward,
    "depthwise_backward_data": _depthwise_backward_data,
    "depthwise_backward_weights": lambda t, d, hyper: store(t, *depthwise_gradients(t, d)),
    "depthwise_update_sgd": lambda t, d, hyper: descend(t, *depthwise_gradients(t, d), hyper),
    "depthwise_update_momentum": lambda t, d, hyper: descend(t, *depthwise_gradients(t, d), hyper),
}
