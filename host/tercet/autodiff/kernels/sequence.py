# SPDX-License-Identifier: Apache-2.0
"""Embedding, positions and multi-head attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.autodiff.kernels.elementwise import softmax

Array = np.ndarray
Hyper = dict[str, float]


def _embedding(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = t["w"][t["ids"].reshape(-1)].reshape(t["y"].shape)


def _embedding_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["dw"][...] = 0
    np.add.at(t["dw"], t["ids"].reshape(-1), t["dy"].reshape(d["tokens"], d["width"]))


def _embedding_update(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    gradient = np.zeros_like(t["w"])
    np.add.at(gradient, t["ids"].reshape(-1), t["dy"].reshape(d["tokens"], d["width"]))
    t["w"][...] -= t["w"].dtype.type(hyper["rate"]) * gradient


def _position(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["y"][...] = t["x"] + t["w"].reshape(t["x"].shape[1:])


def _position_backward(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["dw"][...] = t["dy"].sum(axis=0).reshape(t["dw"].shape)


def _heads(t: dict[str, Array], d: Any, name: str) -> Array:
    """[batch, heads, tokens, head_width] as a view of [batch, tokens, heads * head_width]."""
    split = t[name].reshape(d["batch"], d["tokens"], d["heads"], d["head_width"])
    return split.transpose(0, 2, 1, 3)


def _scores(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    q, k = _heads(t, d, "q"), _heads(t, d, "k")
    scores = q @ k.transpose(0, 1, 3, 2) * q.dtype.type(d["head_width"] ** -0.5)
    if d["causal"]:
        future = np.triu(np.ones(scores.shape[-2:], bool), 1)
        scores = np.where(future, scores.dtype.type(-np.inf), scores)
    t["p"][...] = softmax(scores)


def _mix(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    _heads(t, d, "y")[...] = t["p"] @ _heads(t, d, "v")


def _mix_scores(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    t["dp"][...] = _heads(t, d, "dy") @ _heads(t, d, "v").transpose(0, 1, 3, 2)


def _mix_value(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    _heads(t, d, "dv")[...] = t["p"].transpose(0, 1, 3, 2) @ _heads(t, d, "dy")


def _scores_query(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    _heads(t, d, "dq")[...] = t["ds"] @ _heads(t, d, "k") * t["ds"].dtype.type(d["head_width"] ** -0.5)


def _scores_key(t: dict[str, Array], d: Any, hyper: Hyper) -> None:
    scale = t["ds"].dtype.type(d["head_width"] ** -0.5)
    _heads(t, d, "dk")[...] = t["ds"].transpose(0, 1, 3, 2) @ _heads(t, d, "q") * scale


KERNELS = {
    "embedding_forward": _embedding,
    "embedding_backward_weights": _embedding_backward,
    "embedding_update_sgd": _embedding_update,
    "position_forward": _position,
    "position_backward_weights": _position_backward,
    "attention_scores": _scores,
    "attention_mix": _mix,
    "attention_mix_backward_scores": _mix_scores,
    "attention_mix_backward_value": _mix_value,
    "attention_scores_backward_query": _scores_query,
    "attention_scores_backward_key": _scores_key,
}
