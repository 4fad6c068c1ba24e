# SPDX-License-Identifier: Apache-2.0
"""Maximum, average and global pooling, NCHW."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.autodiff.kernels.convolution import cropped, padded, taps, windows

Array = np.ndarray
Hyper = dict[str, float]


def _inner(t: dict[str, Array], d: Any, name: str) -> Array:
    return t[name].reshape(d["batch"], d["channels"], d["in_height"], d["in_width"])


def _outer(t: dict[str, Array], d: Any, name: str) -> Array:
    return t[name].reshape(d["batch"], d["channels"], d["out_height"], d["out_width"])


def _maxima(x: Array, d: Any) -> tuple[Array, Array]:
    view = windows(x, d, -np.inf)
    flat = view.reshape(*view.shape[:4], -1)
    return flat.max(axis=-1), flat.argmax(axis=-1)


def _spread(dy: Array, argmax: Array, x: Array, d: Any) -> Array:
    """dx: each dy at the place of its window's maximum, in the shape of x."""
    wide = np.zeros_like(padded(x, d))
    for i, j, view in taps(wide, d):
        np.add(view, dy, out=view, where=argmax == i * d["kernel_width"] + j)
    return cropped(wide, d)


def _forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    maxima, argmax = _maxima(_inner(t, d, "x"), d)
    _outer(t, d, "y")[...] = maxima
    if "argmax" in t:
        _outer(t, d, "argmax")[...] = argmax


def _backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dx = _inner(t, d, "dx")
    dx[...] = _spread(_outer(t, d, "dy"), _outer(t, d, "argmax"), dx, d)


def _backward_inplace(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dx = _inner(t, d, "dx")
    _, argmax = _maxima(dx, d)
    dx[...] = _spread(_outer(t, d, "dy"), argmax, dx, d)


def _divisor(d: Any, real: Any) -> Array:
    """How many elements each window averages, [out_height, out_width]."""
    if d["count_padding"]:
        return np.full((d["out_height"], d["out_width"]), d["kernel_height"] * d["kernel_width"], real)
    ones = np.ones((1, 1, d["in_height"], d["in_width"]), real)
    return windows(ones, d).sum(axis=(4, 5))[0, 0]


def _average_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x = _inner(t, d, "x")
    _outer(t, d, "y")[...] = windows(x, d).sum(axis=(4, 5)) / _divisor(d, x.dtype)


def _average_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dx, dy = _inner(t, d, "dx"), _outer(t, d, "dy")
    share = dy / _divisor(d, dy.dtype)
    wide = np.zeros_like(padded(dx, d))
    for _, _, view in taps(wide, d):
        np.add(view, share, out=view)
    dx[...] = cropped(wide, d)


def _global_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x = t["x"].reshape(d["batch"] * d["channels"], d["spatial"])
    t["y"][...] = x.mean(axis=1).reshape(t["y"].shape)


def _global_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    share = t["dy"].reshape(-1, 1) / t["dy"].dtype.type(d["spatial"])
    t["dx"].reshape(-1, d["spatial"])[...] = share


KERNELS = {
    "maxpool2d_forward": _forward,
    "maxpool2d_backward": _backward,
    "maxpool2d_forward_only": _forward,
    "maxpool2d_backward_inplace": _backward_inplace,
    "avgpool2d_forward": _average_forward,
    "avgpool2d_backward": _average_backward,
    "global_average_forward": _global_forward,
    "global_average_backward": _global_backward,
}
