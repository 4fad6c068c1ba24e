# SPDX-License-Identifier: Apache-2.0
"""Losses: the gradient replaces the prediction in its buffer; metric = (sum of the samples' losses, number correct)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.autodiff.kernels.dense import sigmoid

Array = np.ndarray


def _softmax_cross_entropy(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    logits = t["dlogits"].reshape(d["batch"], d["classes"])
    labels = t["labels"].reshape(-1).astype(np.int64)
    rows = np.arange(d["batch"])
    correct = int((logits.argmax(axis=1) == labels).sum())
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(sums[:, 0]) - shifted[rows, labels]
    gradient = exponentials / sums
    gradient[rows, labels] -= 1
    t["dlogits"][...] = (gradient / logits.dtype.type(d["batch"])).reshape(t["dlogits"].shape)
    t["metric"][...] = losses.sum(), correct


def _elementwise(t: dict[str, Array], d: Any, name: str, losses: Array, gradient: Array) -> None:
    """Writes a loss that is the mean over the width, averaged over the batch."""
    scale = losses.dtype.type(d["batch"] * d["width"])
    t["metric"][...] = losses.sum() / losses.dtype.type(d["width"]), 0
    t[name][...] = (gradient / scale).reshape(t[name].shape)


def _mean_squared_error(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    error = t["dy"] - t["target"].reshape(t["dy"].shape)
    _elementwise(t, d, "dy", error * error, 2 * error)


def _mean_absolute_error(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    error = t["dy"] - t["target"].reshape(t["dy"].shape)
    _elementwise(t, d, "dy", np.abs(error), np.sign(error))


def _huber(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    error = t["dy"] - t["target"].reshape(t["dy"].shape)
    delta = error.dtype.type(d["delta"])
    inside = np.abs(error) <= delta
    losses = np.where(inside, error * error / 2, delta * (np.abs(error) - delta / 2))
    _elementwise(t, d, "dy", losses, np.clip(error, -delta, delta))


def _binary_cross_entropy(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    logits, target = t["dlogits"].copy(), t["target"].reshape(t["dlogits"].shape)
    losses = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    _elementwise(t, d, "dlogits", losses, sigmoid(logits) - target)
    hits = ((logits > 0) == (target > 0.5)).reshape(d["batch"], d["width"])
    t["metric"][1] = hits.all(axis=1).sum()


KERNELS = {
    "softmax_cross_entropy": _softmax_cross_entropy,
    "mean_squared_error": _mean_squared_error,
    "mean_absolute_error": _mean_absolute_error,
    "huber": _huber,
    "binary_cross_entropy": _binary_cross_entropy,
}
