# SPDX-License-Identifier: Apache-2.0
"""Multi-head self-attention spelled out in ONNX nodes, however its heads were laid out on the way.

softmax(q k' / sqrt(width of a head) [+ causal mask]) v: the two products, the scale, the mask and the softmax become the layers
`attention_scores` and `attention_mix`. Where a factor of a product comes from is found by moving an index array through the
reshapes, transpositions and slices before it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.model.exchange.importer import Importer, Scores
from tercet.model.graph import Layer

_HINT = "attention as softmax(q k' / sqrt(d)) v over [batch, tokens, width]; other products need constant weights"


def product(importer: Importer, node: Any) -> None:
    """A product of two computed values: scores of attention, or their product with the values."""
    left = importer.value(node.input[0])
    maker = next((layer for layer in importer.net.layers if layer.name == left), None)
    if maker is not None and maker.op == "attention_scores":
        _mix(importer, node, maker)
        return
    q, first = _source(importer, node.input[0], (0, 1, 2))
    k, second = _source(importer, node.input[1], (0, 2, 1))
    if importer.net.shapes[left][0] != importer.shape(node.input[1])[0]:
        raise InputError("the two factors have different heads", hint=_HINT)
    importer.scores[node.output[0]] = Scores(q, k, importer.net.shapes[left][0], first * second)


def scaled(importer: Importer, node: Any, factor: float) -> bool:
    """Whether the node scaled scores of attention, which are remembered so."""
    found = importer.scores.get(next((name for name in node.input if name in importer.scores), ""))
    if found:
        importer.scores[node.output[0]] = replace(found, factor=found.factor * factor)
    return found is not None


def masked(importer: Importer, node: Any) -> bool:
    """Whether the node (Add or Where of a constant) put a causal mask on scores of attention."""
    name = next((name for name in node.input if name in importer.scores), "")
    if not name:
        return False
    tokens = importer.net.shapes[importer.scores[name].q][0]
    constants = [importer.constants[other] for other in node.input if other in importer.constants]
    if node.op_type == "Where":
        filled = importer.constants.get(node.input[1])
        hidden = constants[0] if node.input[2] == name else ~constants[0].astype(bool)
        filled = constants[1] if filled is None else filled
        allowed = ~hidden.astype(bool) if float(filled.max()) <= -1e4 else np.zeros(1, bool)
    else:
        allowed = constants[0] > -1e4
        if np.any(constants[0][allowed]):
            raise InputError("numbers added to scores of attention are not supported, a causal mask is", hint=_HINT)
    shape = (tokens, tokens)
    full = np.broadcast_to(allowed.reshape(allowed.shape[-2:]) if allowed.ndim >= 2 else allowed, shape)
    if not full.all() and not np.array_equal(full, np.tril(np.ones(shape, bool))):
        raise InputError("only a causal mask of scores of attention is supported", hint=_HINT)
    causal = importer.scores[name].causal or not full.all()
    importer.scores[node.output[0]] = replace(importer.scores[name], causal=causal)
    return True


def softmax(importer: Importer, node: Any) -> bool:
    """Whether the node's input were scores of attention, which become a layer."""
    found = importer.scores.get(node.input[0])
    if not found:
        return False
    width = importer.net.shapes[found.q][-1] // found.heads
    if not math.isclose(found.factor, width**-0.5, rel_tol=1e-4):
        raise InputError(f"scores are scaled by {found.factor:g}, not by 1 / sqrt({width})", hint=_HINT)
    importer.append(node, "attention_scores", (found.q, found.k), heads=found.heads, causal=found.causal)
    return True


def _mix(importer: Importer, node: Any, scores: Layer) -> None:
    """The values weighted by the scores, laid out again as the product's [heads, tokens, width]."""
    v, factor = _source(importer, node.input[1], (0, 1, 2))
    tokens, width = importer.net.shapes[v]
    heads = scores.attrs["heads"]
    if factor != 1.0:
        raise InputError("scaled values of attention are not supported", hint=_HINT)
    importer.append(node, "attention_mix", (scores.name, v), heads=heads)
    importer.net.reshape(tokens, heads, width // heads).layer("transpose", axes=[1, 0, 2])
    importer.values[node.output[0]] = importer.net.at


def _source(importer: Importer, name: str, order: tuple[int, int, int]) -> tuple[str, float]:
    """(value [tokens, width], factor) behind a factor of a product, whose axes are heads, tokens, width in `order`."""
    value, factor, path = importer.value(name), 1.0, []
    layers = {layer.name: layer for layer in importer.net.layers}
    while value in layers and layers[value].op in ("reshape", "transpose", "scale", "slice"):
        layer = layers[value]
        factor *= layer.attrs.get("factor", 1.0)
        path.append(layer)
        value = layer.inputs[0]
    shape = importer.net.shapes[value]
    if len(shape) != 2 or len(importer.shape(name)) != 3:
        raise InputError("a product of two computed values is not supported", hint=_HINT)
    moved = np.arange(shape[0] * shape[1]).reshape(shape)
    for layer in reversed(path):
        moved = _apply(layer, moved, importer.net.shapes[layer.name])
    moved = moved.transpose([order.index(axis) for axis in range(3)])
    heads, tokens, width = (int(extent) for extent in moved.shape)
    first = int(moved[0, 0, 0])
    columns = first + np.arange(heads)[:, None, None] * width + np.arange(width)
    if tokens != shape[0] or not np.array_equal(moved, columns + np.arange(tokens)[:, None] * shape[1]):
        raise InputError("the heads of a product are not parts of the width", hint=_HINT)
    if heads * width != shape[1]:
        value = importer.net.layer("slice", inputs=(value,), axis=1, first=first, width=heads * width).at
    return value, factor


def _apply(layer: Layer, moved: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if layer.op == "transpose":
        return moved.transpose(layer.attrs["axes"])
    if layer.op == "slice":
        first, width = layer.attrs["first"], layer.attrs["width"]
        return moved.take(range(first, first + width), axis=layer.attrs["axis"])
    return moved.reshape(shape)
