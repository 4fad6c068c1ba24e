# SPDX-License-Identifier: Apache-2.0
"""Dense layers and the activations that can be fused into them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.kernel_table import ACTIVATIONS

Array = np.ndarray
NAMES = {code: name for name, code in ACTIVATIONS.items()}


def activate(value: Array, code: int) -> Array:
    """The activation of that code, element-wise."""
    kind = NAMES[int(code)]
    if kind == "relu":
        return np.maximum(value, 0)
    if kind == "tanh":
        return np.tanh(value)
    if kind == "sigmoid":
        return sigmoid(value)
    return np.clip(value, 0, 6) if kind == "relu6" else value


def sigmoid(value: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(value))
    return (np.where(value >= 0, 1, small) / (1 + small)).astype(value.dtype)


def derivative(y: Array, code: int) -> Array:
    """The derivative of an activation, from its output y."""
    kind = NAMES[int(code)]
    if kind == "relu":
        return (y > 0).astype(y.dtype)
    if kind == "tanh":
        return 1 - y * y
    if kind == "sigmoid":
        return y * (1 - y)
    return ((y > 0) & (y < 6)).astype(y.dtype) if kind == "relu6" else np.ones_like(y)


def gradients(t: dict[str, Array], d: Any) -> tuple[Array, Array]:
    """(dw, db) of a dense layer: dz [batch, outputs], x [batch, inputs]."""
    dz = t["dz"].reshape(d["batch"], d["outputs"])
    return dz.T @ t["x"].reshape(d["batch"], d["inputs"]), dz.sum(axis=0)


def descend(t: dict[str, Array], dw: Array, db: Array, hyper: dict[str, float]) -> None:
    """w -= rate dw (and b), through the velocities vw, vb where there are such."""
    rate = t["w"].dtype.type(hyper["rate"])
    for role, gradient in (("w", dw), ("b", db)):
        if role not in t:
            continue
        step = gradient.reshape(t[role].shape)
        if f"v{role}" in t:
            velocity = t[f"v{role}"]
            velocity[...] = velocity.dtype.type(hyper["momentum"]) * velocity + step
            step = velocity
        t[role][...] -= rate * step


def store(t: dict[str, Array], dw: Array, db: Array) -> None:
    """Writes dw, and db where it is asked for."""
    t["dw"][...] = dw.reshape(t["dw"].shape)
    if "db" in t:
        t["db"][...] = db


def _forward(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    y = t["x"].reshape(d["batch"], d["inputs"]) @ t["w"].T
    if "b" in t:
        y += t["b"]
    t["y"][...] = activate(y, d["activation"]).reshape(t["y"].shape)


def _backward_data(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    t["dx"][...] = (t["dz"].reshape(d["batch"], d["outputs"]) @ t["w"]).reshape(t["dx"].shape)


def _activation_backward(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    t["dz"][...] *= derivative(t["y"], d["activation"]).reshape(t["dz"].shape)


KERNELS = {
    "dense_forward": _forward,
    "dense_backward_data": _backward_data,
    "dense_backward_weights": lambda t, d, hyper: store(t, *gradients(t, d)),
    "dense_update_sgd": lambda t, d, hyper: descend(t, *gradients(t, d), hyper),
    "dense_update_momentum": lambda t, d, hyper: descend(t, *gradients(t, d), hyper),
    "activation_backward": _activation_backward,
}
