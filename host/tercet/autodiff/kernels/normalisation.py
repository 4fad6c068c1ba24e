# SPDX-License-Identifier: Apache-2.0
"""Batch, layer and group normalisation; variances are biased, as the formulas of training need them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.autodiff.kernels.dense import activate

Array = np.ndarray
Hyper = dict[str, float]


def _planes(t: dict[str, Array], d: Any, name: str) -> Array:
    return t[name].reshape(d["batch"], d["channels"], d["spatial"])


def _reciprocal(variance: Array, d: Any) -> Array:
    return 1 / np.sqrt(variance + variance.dtype.type(d["epsilon"]))


def _statistics(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x = _planes(t, d, "x")
    t["mean"][...] = x.mean(axis=(0, 2))
    t["variance"][...] = x.var(axis=(0, 2))


def _forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    scale = t["gamma"] * _reciprocal(t["variance"], d)
    centred = _planes(t, d, "x") - t["mean"][:, None]
    _planes(t, d, "y")[...] = activate(centred * scale[:, None] + t["beta"][:, None], d["activation"])


def _backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dy, x = _planes(t, d, "dy"), _planes(t, d, "x")
    reciprocal = _reciprocal(t["variance"], d)[:, None]
    normal = (x - t["mean"][:, None]) * reciprocal
    dgamma, dbeta = (dy * normal).sum(axis=(0, 2)), dy.sum(axis=(0, 2))
    count = dy.dtype.type(d["batch"] * d["spatial"])
    inner = dy - (dbeta[:, None] + normal * dgamma[:, None]) / count
    _planes(t, d, "dx")[...] = inner * t["gamma"][:, None] * reciprocal
    t["dgamma"][...], t["dbeta"][...] = dgamma, dbeta


def _running(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    keep = t["mean"].dtype.type(d["keep"])
    count = d["batch"] * d["spatial"]
    unbiased = t["variance"] * t["mean"].dtype.type(count / max(count - 1, 1))
    t["running_mean"][...] = keep * t["running_mean"] + (1 - keep) * t["mean"]
    t["running_variance"][...] = keep * t["running_variance"] + (1 - keep) * unbiased


def _frozen_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    scale = t["gamma"] * _reciprocal(t["variance"], d)
    _planes(t, d, "dx")[...] = _planes(t, d, "dy") * scale[:, None]


def _grouped(t: dict[str, Array], d: Any, name: str) -> Array:
    return t[name].reshape(d["batch"] * d["groups"], -1)


def _group_forward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    x = _grouped(t, d, "x")
    mean, variance = x.mean(axis=1), x.var(axis=1)
    normal = ((x - mean[:, None]) * _reciprocal(variance, d)[:, None]).reshape(d["batch"], d["channels"], d["spatial"])
    _planes(t, d, "y")[...] = normal * t["gamma"][:, None] + t["beta"][:, None]
    t["mean"][...], t["variance"][...] = mean.reshape(t["mean"].shape), variance.reshape(t["variance"].shape)


def _group_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    dy, x = _planes(t, d, "dy"), _grouped(t, d, "x")
    reciprocal = _reciprocal(t["variance"].reshape(-1, 1), d)
    normal = (x - t["mean"].reshape(-1, 1)) * reciprocal
    planes = normal.reshape(dy.shape)
    dgamma, dbeta = (dy * planes).sum(axis=(0, 2)), dy.sum(axis=(0, 2))
    inner = (dy * t["gamma"][:, None]).reshape(x.shape)
    inner = inner - inner.mean(axis=1, keepdims=True) - normal * (inner * normal).mean(axis=1, keepdims=True)
    _planes(t, d, "dx")[...] = (inner * reciprocal).reshape(dy.shape)
    t["dgamma"][...], t["dbeta"][...] = dgamma, dbeta


KERNELS = {
    "batchnorm_statistics": _statistics,
    "batchnorm_forward": _forward,
    "batchnorm_backward": _backward,
    "batchnorm_running": _running,
    "batchnorm_frozen_backward": _frozen_backward,
    "groupnorm_forward": _group_forward,
    "groupnorm_backward": _group_backward,
}
