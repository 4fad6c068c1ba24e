# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation folded into the weights before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tercet.model.graph import Layer, Model, Parameter
from tercet.model.weights import Weights


def fold_batch_norm(model: Model, weights: Weights, *, everything: bool = False) -> tuple[Model, Weights]:
    """The model and weights with batch normalisation folded into the dense or convolution layer before it.

    Only frozen pairs are folded, so that training is not changed, or with `everything` all: outputs without training stay the
    same, y = gamma (w x + b - mean) / sqrt(variance + epsilon) + beta. A layer whose output has other readers stays.
    """
    readers = Counter(name for layer in model.layers for name in layer.inputs)
    makers = {layer.name: layer for layer in model.layers}
    parameters, numbers = dict(model.parameters), dict(weights)
    layers, renamed, changed = [], {}, {}
    for layer in model.layers:
        maker = makers.get(layer.inputs[0]) if layer.op == "batch_norm" else None
        if maker and _folds(model, maker, layer, readers) and (everything or _frozen(model, maker, layer)):
            changed[maker.name] = _fold(maker, layer, parameters, numbers)
            renamed[layer.name] = maker.name
        else:
            layers.append(layer)
    found = tuple(replace(changed.get(x.name, x), inputs=tuple(renamed.get(name, name) for name in x.inputs)) for x in layers)
    return replace(model, layers=found, parameters=parameters), {name: numbers[name] for name in parameters}


def _folds(model: Model, maker: Layer, norm: Layer, readers: Counter[str]) -> bool:
    # dense layers over several positions are normalised along another axis than their outputs
    fits = maker.op == "conv2d" or (maker.op == "dense" and len(model.shapes()[maker.name]) == 1)
    shared = Counter(name for layer in model.layers for name in layer.parameters.values())
    return fits and readers[maker.name] == 1 and all(shared[n] == 1 for x in (maker, norm) for n in x.parameters.values())


def _frozen(model: Model, maker: Layer, norm: Layer) -> bool:
    return not any(model.parameters[name].trainable for layer in (maker, norm) for name in layer.parameters.values())


def _fold(maker: Layer, norm: Layer, parameters: dict[str, Parameter], numbers: Weights) -> Layer:
    """The layer with the normalisation in its weights; takes the latter's parameters out of both tables."""
    gamma, beta, mean, variance = (
        numbers.pop(norm.parameters[role]).astype(np.float64) for role in ("gamma", "beta", "running_mean", "running_variance")
    )
    for name in norm.parameters.values():
        del parameters[name]
    scale = gamma / np.sqrt(variance + norm.attrs["epsilon"])
    w, b = maker.parameters["w"], maker.parameters.get("b", f"{maker.name}.b")
    old = numbers.get(b, np.zeros(len(scale))).astype(np.float64)
    numbers[w] = (numbers[w] * scale.reshape(-1, *[1] * (numbers[w].ndim - 1))).astype(np.float32)
    numbers[b] = ((old - mean) * scale + beta).astype(np.float32)
    parameters.setdefault(b, Parameter(b, (len(scale),), "zeros", parameters[w].trainable))
    return replace(maker, attrs={**maker.attrs, "bias": True}, parameters={"w": w, "b": b})
