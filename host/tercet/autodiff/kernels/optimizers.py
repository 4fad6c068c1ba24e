# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps on a gradient that exists as a tensor; formulas and their order as PyTorch documents them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def _sgd(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    real = t["w"].dtype.type
    t["w"][...] -= real(hyper["rate"]) * (t["dw"] + real(hyper["decay"]) * t["w"])


def _momentum(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    real = t["w"].dtype.type
    gradient = t["dw"] + real(hyper["decay"]) * t["w"]
    t["v"][...] = real(hyper["momentum"]) * t["v"] + gradient
    step = gradient + real(hyper["momentum"]) * t["v"] if d["nesterov"] else t["v"]
    t["w"][...] -= real(hyper["rate"]) * step


def _adam(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    """Kingma and Ba (2015); with `decoupled` Loshchilov and Hutter (2019)."""
    real = t["w"].dtype.type
    rate, beta1, beta2, decay = (real(hyper[name]) for name in ("rate", "beta1", "beta2", "decay"))
    gradient = t["dw"]
    if d["decoupled"]:
        t["w"][...] *= 1 - rate * decay
    else:
        gradient = gradient + decay * t["w"]
    t["m"][...] = beta1 * t["m"] + (1 - beta1) * gradient
    t["v"][...] = beta2 * t["v"] + (1 - beta2) * gradient * gradient
    root = np.sqrt(t["v"] / real(hyper["correction2"])) + real(hyper["epsilon"])
    t["w"][...] -= rate / real(hyper["correction1"]) * t["m"] / root


def _weight_decay(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    real = t["w"].dtype.type
    t["w"][...] *= 1 - real(hyper["rate"]) * real(hyper["decay"])


def _clip_value(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    np.clip(t["dw"], -hyper["clip"], hyper["clip"], out=t["dw"])


def _square_sum(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    t["total"][...] = (t["dw"] * t["dw"]).sum()


def _clip_norm(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
    real = t["dw"].dtype.type
    t["dw"][...] *= min(real(1), real(hyper["clip"]) / (np.sqrt(t["total"].reshape(-1)[0]) + real(1e-6)))


KERNELS = {
    "sgd_update": _sgd,
    "momentum_update": _momentum,
    "adam_update": _adam,
    "weight_decay": _weight_decay,
    "clip_value": _clip_value,
    "square_sum": _square_sum,
    "clip_norm": _clip_norm,
}
