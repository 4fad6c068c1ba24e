# SPDX-License-Identifier: Apache-2.0
"""The table of converters from ONNX nodes to layers: those without weights, and the whole table."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.model.exchange import attention, parting, shaping, weighted
from tercet.model.exchange.importer import Converter, Importer
from tercet.model.exchange.weighted import padding
from tercet.model.operators import as_image


def _activation(kind: str) -> Converter:
    return lambda importer, node: importer.append(node, "activation", (importer.value(node.input[0]),), kind=kind)


def _leaky(importer: Importer, node: Any) -> None:
    alpha = float(importer.attributes(node).get("alpha", 0.01))
    importer.append(node, "activation", (importer.value(node.input[0]),), kind="leaky_relu", alpha=alpha)


def _gelu(importer: Importer, node: Any) -> None:
    form = "gelu_tanh" if importer.attributes(node).get("approximate") == "tanh" else "gelu"
    importer.append(node, "activation", (importer.value(node.input[0]),), kind=form)


def _clip(importer: Importer, node: Any) -> None:
    attrs = importer.attributes(node)
    bounds = [attrs.get("min", -np.inf), attrs.get("max", np.inf)]
    for number, name in enumerate(node.input[1:3]):
        if name:
            bounds[number] = float(importer.constant(name, "bound").reshape(-1)[0])
    kinds = {(0.0, 6.0): "relu6", (0.0, np.inf): "relu"}
    kind = kinds.get((float(bounds[0]), min(float(bounds[1]), np.inf)))
    if kind is None and bounds[0] == 0.0 and bounds[1] >= np.finfo(np.float32).max:
        kind = "relu"
    if kind is None:
        raise InputError(f"bounds {bounds} are not supported; 0 to 6 (ReLU6) and 0 to infinity (ReLU) are")
    importer.append(node, "activation", (importer.value(node.input[0]),), kind=kind)


def _softmax(importer: Importer, node: Any) -> None:
    if attention.softmax(importer, node):
        return
    rank = len(importer.shape(node.input[0])) + 1
    default = 1 if importer.source.opset < 13 else -1
    if importer.attributes(node).get("axis", default) % rank != rank - 1:
        raise InputError("softmax is supported along the last axis only")
    last = node.output[0] == importer.source.output_name
    if node.op_type == "LogSoftmax" and not last:
        raise InputError("LogSoftmax is supported at the end of a network only", hint="Softmax")
    importer.append(node, "softmax", (importer.value(node.input[0]),))


def _pool(importer: Importer, node: Any) -> None:
    attrs = importer.attributes(node)
    if any(step != 1 for step in attrs.get("dilations", [])):
        raise InputError("dilated windows are not supported")
    if len(node.output) > 1 and importer.readers[node.output[1]]:
        raise InputError("the indices of a maximum are not supported as a value")
    shape = importer.shape(node.input[0])
    window: dict[str, Any] = padding(attrs, shape, attrs["kernel_shape"])
    if attrs.get("ceil_mode", 0):
        _round_up(window, shape)
    inputs = (importer.value(node.input[0]),)
    if node.op_type == "MaxPool":
        importer.append(node, "max_pool", inputs, **window)
    else:
        counts = bool(attrs.get("count_include_pad", 0))
        if counts and attrs.get("ceil_mode", 0):
            raise InputError("ceil_mode together with count_include_pad is not supported")
        importer.append(node, "average_pool", inputs, count_padding=counts, **window)


def _round_up(window: dict[str, list[int]], shape: tuple[int, ...]) -> None:
    """Widens the padding at the end so that the last window fits, as ceil_mode has it; it must start inside the image."""
    extents = as_image(shape)[1:]
    for axis, extent in enumerate(extents):
        size, step, before = window["kernel"][axis], window["stride"][axis], window["pad"][axis]
        after = window["pad"][axis + 2]
        count = -(-(extent + before + after - size) // step) + 1
        if (count - 1) * step >= extent + before:
            count -= 1
        window["pad"][axis + 2] = max(after, (count - 1) * step + size - extent - before)


def _global_pool(importer: Importer, node: Any) -> None:
    shape, inputs = importer.shape(node.input[0]), (importer.value(node.input[0]),)
    if node.op_type == "GlobalMaxPool":
        _, height, width = as_image(shape)
        importer.append(node, "max_pool", inputs, kernel=[height, width], stride=[height, width], pad=[0] * 4)
        return
    importer.append(node, "global_average_pool", inputs)
    importer.net.reshape(shape[0], *[1] * (len(shape) - 1))
    importer.values[node.output[0]] = importer.net.at


def _reduce_mean(importer: Importer, node: Any) -> None:
    attrs, shape = importer.attributes(node), importer.shape(node.input[0])
    axes = attrs.get("axes")
    if axes is None and len(node.input) > 1:
        axes = importer.constant(node.input[1], "axes").tolist()
    rank = len(shape) + 1
    if rank < 3 or sorted(axis % rank for axis in axes or []) != list(range(2, rank)):
        raise InputError(f"a mean over axes {axes} is not supported; over all axes after the channels it is")
    importer.append(node, "global_average_pool", (importer.value(node.input[0]),))
    if attrs.get("keepdims", 1):
        importer.net.reshape(shape[0], *[1] * (len(shape) - 1))
    importer.values[node.output[0]] = importer.net.at


def _dropout(importer: Importer, node: Any) -> None:
    drop = float(importer.attributes(node).get("ratio", 0.5))
    if len(node.input) > 1 and node.input[1]:
        drop = float(importer.constant(node.input[1], "ratio").reshape(-1)[0])
    if drop == 0.0:
        importer.values[node.output[0]] = importer.value(node.input[0])
        return
    stream = sum(layer.op == "dropout" for layer in importer.net.layers)
    importer.append(node, "dropout", (importer.value(node.input[0]),), drop=drop, stream=stream)


CONVERTERS: dict[str, Converter] = {
    "Relu": _activation("relu"),
    "Tanh": _activation("tanh"),
    "Sigmoid": _activation("sigmoid"),
    "LeakyRelu": _leaky,
    "Gelu": _gelu,
    "Clip": _clip,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "ReduceMean": _reduce_mean,
    "Dropout": _dropout,
    **weighted.CONVERTERS,
    **shaping.CONVERTERS,
    **parting.CONVERTERS,
}
# What to use instead of common operators that training on a board does not have.
NEAREST = {
    "ConvTranspose": "Conv",
    "Elu": "LeakyRelu",
    "Selu": "LeakyRelu",
    "Celu": "LeakyRelu",
    "PRelu": "LeakyRelu",
    "ThresholdedRelu": "Relu",
    "Softplus": "Relu",
    "HardSigmoid": "Sigmoid",
    "HardSwish": "Clip (ReLU6)",
    "Mish": "Gelu",
    "LRN": "GroupNormalization",
    "LpPool": "AveragePool",
    "GRU": "Conv (in one dimension)",
    "LSTM": "Conv (in one dimension)",
    "RNN": "Conv (in one dimension)",
    "Resize": "AveragePool, or a Conv with stride",
    "Upsample": "Conv",
    "MaxRoiPool": "MaxPool",
    "ReduceMax": "GlobalMaxPool",
    "QLinearConv": "Conv (export in floats)",
    "QuantizeLinear": "the network in floats",
    "DequantizeLinear": "the network in floats",
}
