# SPDX-License-Identifier: Apache-2.0
"""Structured pruning: whole channels and neurons disappear, and with them the weights that read them.

The network that comes out is an ordinary smaller one. Works on chains: a channel that meets others in an addition stays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tercet.compress.network import weight_layers
from tercet.errors import InputError
from tercet.model.graph import Layer, Model, Parameter
from tercet.model.weights import Weights

_PASSING = ("activation", "dropout", "max_pool", "average_pool", "global_average_pool", "batch_norm", "flatten")


def reader_of(model: Model, name: str) -> tuple[list[Layer], Layer] | None:
    """The layers between weight layer `name` and the only weight layer that reads it, and that reader; None without one."""
    between: list[Layer] = []
    at = name
    while True:
        readers = [layer for layer in model.layers if at in layer.inputs]
        if len(readers) != 1:
            return None
        layer = readers[0]
        if layer.op in ("dense", "conv2d"):
            return (between, layer) if layer.attrs.get("groups", 1) == 1 else None
        if layer.op not in _PASSING:
            return None
        between.append(layer)
        at = layer.name


def prunable(model: Model) -> list[Layer]:
    """The weight layers whose channels can disappear."""
    ungrouped = [layer for layer in weight_layers(model) if layer.attrs.get("groups", 1) == 1]
    return [layer for layer in ungrouped if reader_of(model, layer.name)]


def _repeats(model: Model, weights: Weights, layer: Layer, reader: Layer) -> int:
    """How many inputs of the reader belong to one channel: the places of an image that was flattened, else 1."""
    return weights[reader.parameters["w"]].shape[1] // weights[layer.parameters["w"]].shape[0]


def channel_scores(model: Model, weights: Weights, layer: Layer) -> np.ndarray:
    """The mean magnitude of each channel's weights times that of the weights that read it."""
    found = reader_of(model, layer.name)
    assert found
    own, after = weights[layer.parameters["w"]], weights[found[1].parameters["w"]]
    channels = len(own)
    read = np.abs(after).reshape(len(after), channels, -1).mean((0, 2))
    return np.abs(own).reshape(channels, -1).mean(1) * read


def shrink(model: Model, weights: Weights, keep: dict[str, np.ndarray]) -> tuple[Model, Weights]:
    """The network with only the channels `keep[layer]` (ascending numbers); raises InputError where they cannot go."""
    known = {layer.name: layer for layer in prunable(model)}
    table, new = dict(model.parameters), dict(weights)
    attrs: dict[str, dict] = {}

    def select(name: str, index: np.ndarray, axis: int) -> None:
        new[name] = np.ascontiguousarray(np.take(new[name], index, axis))
        table[name] = Parameter(name, new[name].shape, table[name].init, table[name].trainable)

    for name, index in keep.items():
        if name not in known or len(index) == 0:
            raise InputError(f"the channels of {name} cannot disappear", hint=f"those of {', '.join(known) or 'no layer'} can")
        layer = known[name]
        found = reader_of(model, name)
        assert found
        for key in layer.parameters.values():
            select(key, index, 0)
        attrs[name] = {("units" if layer.op == "dense" else "channels"): len(index)}
        repeats = _repeats(model, weights, layer, found[1])
        for passed in found[0]:
            for key in passed.parameters.values():
                select(key, index, 0)
        places = (index[:, None] * repeats + np.arange(repeats)).ravel()
        select(found[1].parameters["w"], places, 1)
    layers = tuple(replace(x, attrs=x.attrs | attrs.get(x.name, {})) for x in model.layers)
    return Model(model.name, model.input_shape, layers, table, model.input_dtype), new


def prune_channels(model: Model, weights: Weights, shares: dict[str, float]) -> tuple[Model, Weights]:
    """The network that keeps the highest-scoring `shares[layer]` of each layer's channels (one at least)."""
    known = {layer.name: layer for layer in prunable(model)}
    keep = {}
    for name, share in shares.items():
        if name not in known:
            raise InputError(f"the channels of {name} cannot disappear", hint=f"those of {', '.join(known) or 'no layer'} can")
        if not 0 < share <= 1:
            raise InputError(f"{name}: a share of {share} is not in 0..1")
        scores = channel_scores(model, weights, known[name])
        count = max(1, round(share * len(scores)))
        keep[name] = np.sort(np.argsort(-scores, kind="stable")[:count])
    return shrink(model, weights, keep)


def sweep(model: Model, weights: Weights) -> tuple[Model, Weights]:
    """The same function without dead neurons: those that nobody reads, and those that are always zero.

    Works on dense layers that follow each other with a ReLU, or nothing, between. A neuron that is a constant other than
    zero stays: the reader's bias could not take it without rounding.
    """
    keep: dict[str, np.ndarray] = {}
    for layer in prunable(model):
        found = reader_of(model, layer.name)
        assert found
        between, reader = found
        kinds = [x.attrs.get("kind") for x in between if x.op != "dropout"]
        if layer.op != "dense" or reader.op != "dense" or kinds not in ([], ["relu"]):
            continue
        own, after = weights[layer.parameters["w"]], weights[reader.parameters["w"]]
        bias = weights[layer.parameters["b"]] if "b" in layer.parameters else np.zeros(len(own), np.float32)
        constant = ~own.any(1)
        level = np.maximum(bias, 0) if kinds else bias
        alive = after.any(0) & ~(constant & (level == 0))
        if not alive.all():
            keep[layer.name] = np.flatnonzero(alive) if alive.any() else np.array([0])
    return shrink(model, weights, keep)
