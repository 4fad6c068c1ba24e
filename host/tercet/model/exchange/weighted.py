# SPDX-License-Identifier: Apache-2.0
"""Converters of ONNX nodes that carry weights: convolution, dense, normalisation, embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.model.exchange import attention
from tercet.model.exchange.importer import Converter, Importer
from tercet.model.graph import Parameter
from tercet.model.operators import Shape, as_image


def padding(attrs: dict[str, Any], shape: Shape, kernel: list[int]) -> dict[str, list[int]]:
    """kernel, stride and pad (top, left, bottom, right) of a window from ONNX's attributes, in one or two dimensions."""
    axes = len(shape) - 1
    if axes not in (1, 2) or len(kernel) != axes:
        raise InputError(f"windows in {len(kernel)} dimensions on shape {list(shape)} are not supported, 1 and 2 are")
    stride = list(attrs.get("strides", [1] * axes))
    pads = list(attrs.get("pads", [0] * 2 * axes))
    automatic = attrs.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        extents = as_image(shape)[3 - axes :]
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(extents, kernel, stride, strict=True)]
        less, more = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = less + more if automatic == "SAME_UPPER" else more + less
    elif automatic == "VALID":
        pads = [0] * 2 * axes
    if axes == 1:
        return {"kernel": [1, kernel[0]], "stride": [1, stride[0]], "pad": [0, pads[0], 0, pads[1]]}
    return {"kernel": list(kernel), "stride": stride, "pad": pads}


def _conv(importer: Importer, node: Any) -> None:
    attrs = importer.attributes(node)
    if any(step != 1 for step in attrs.get("dilations", [])):
        raise InputError("dilated convolutions are not supported", hint="a larger kernel or a stride")
    weights = importer.constant(node.input[1], "weights")
    zeros = importer.pads.pop(node.input[0], (0, 0, 0, 0))
    shape = importer.shape(node.input[0])
    window = padding(attrs, shape, list(weights.shape[2:]))
    window["pad"] = [pad + zero for pad, zero in zip(window["pad"], zeros, strict=True)]
    groups = int(attrs.get("group", 1))
    if weights.shape[1] * groups != shape[0]:
        raise InputError(f"weights for {weights.shape[1] * groups} channels meet a value of {shape[0]}")
    parameters = {"w": importer.origin(node, 1, "weights")}
    bias = len(node.input) > 2 and bool(node.input[2])
    if bias:
        parameters["b"] = importer.origin(node, 2, "bias")
    inputs, channels = (importer.value(node.input[0]),), int(weights.shape[0])
    importer.append(node, "conv2d", inputs, parameters, channels=channels, groups=groups, bias=bias, **window)


def _gemm(importer: Importer, node: Any) -> None:
    attrs = importer.attributes(node)
    if attrs.get("transA", 0) or attrs.get("alpha", 1.0) != 1.0 or attrs.get("beta", 1.0) != 1.0:
        raise InputError("transA, alpha and beta other than 0, 1 and 1 are not supported")
    bias = len(node.input) > 2 and bool(node.input[2])
    _dense(importer, node, transposed=not attrs.get("transB", 0), bias=bias)


def _matmul(importer: Importer, node: Any) -> None:
    if node.input[1] not in importer.constants:
        attention.product(importer, node)
        return
    _dense(importer, node, transposed=True, bias=False)


def _dense(importer: Importer, node: Any, *, transposed: bool, bias: bool) -> None:
    weights = importer.constant(node.input[1], "weights")
    if weights.ndim != 2:
        raise InputError(f"weights of shape {list(weights.shape)} are not supported, a matrix is")
    units, width = weights.shape[::-1] if transposed else weights.shape
    found = importer.shape(node.input[0])
    if found[-1] != width:
        raise InputError(f"weights for {width} inputs meet a value of shape {list(found)}")
    parameters = {"w": importer.origin(node, 1, "weights", transposed=transposed)}
    if bias:
        parameters["b"] = importer.origin(node, 2, "bias")
        if importer.constants[node.input[2]].size != units:
            raise InputError(f"a bias of shape {list(parameters['b'].shape)} for {units} outputs is not supported")
    inputs = (importer.value(node.input[0]),)
    importer.append(node, "dense", inputs, parameters, units=int(units), bias=bias)


def add_bias(importer: Importer, node: Any, value: str, constant: str) -> bool:
    """Whether an added constant could become the bias of the dense or convolution layer that made the value."""
    numbers, name = importer.constants[constant], importer.value(value)
    layer = importer.net.layers[-1] if importer.net.layers else None
    if layer is None or layer.name != name or layer.op not in ("dense", "conv2d") or "b" in layer.parameters:
        return False
    width = layer.attrs["units"] if layer.op == "dense" else layer.attrs["channels"]
    axis = 0 if layer.op == "dense" else len(importer.shape(value)) - 1
    trailing = list(numbers.shape[::-1])
    if importer.readers[value] != 1 or numbers.size != width or trailing[axis : axis + 1] != [width]:
        return False
    parameter = Parameter(f"{name}.b", (width,), "zeros")
    importer.net.parameters[parameter.name] = parameter
    importer.origins[parameter.name] = importer.origin(node, list(node.input).index(constant), "bias")
    importer.weights[parameter.name] = numbers.reshape(-1).astype(np.float32)
    parameters = {**layer.parameters, "b": parameter.name}
    importer.net.layers[-1] = replace(layer, parameters=parameters, attrs={**layer.attrs, "bias": True})
    importer.values[node.output[0]] = name
    return True


def _batch_norm(importer: Importer, node: Any) -> None:
    attrs = importer.attributes(node)
    roles = ("gamma", "beta", "running_mean", "running_variance")
    parameters = {role: importer.origin(node, number, role) for number, role in enumerate(roles, 1)}
    settings = {"epsilon": float(attrs.get("epsilon", 1e-5)), "keep": float(attrs.get("momentum", 0.9))}
    importer.append(node, "batch_norm", (importer.value(node.input[0]),), parameters, **settings)


def _layer_norm(importer: Importer, node: Any) -> None:
    attrs, shape = importer.attributes(node), importer.shape(node.input[0])
    if attrs.get("axis", -1) % (len(shape) + 1) != len(shape):
        raise InputError("layer normalisation is supported over the last axis only")
    if len(node.input) < 3:
        raise InputError("layer normalisation without a bias is not supported")
    parameters = {"gamma": importer.origin(node, 1, "scale"), "beta": importer.origin(node, 2, "bias")}
    epsilon = float(attrs.get("epsilon", 1e-5))
    importer.append(node, "layer_norm", (importer.value(node.input[0]),), parameters, epsilon=epsilon)


def _group_norm(importer: Importer, node: Any) -> None:
    """GroupNormalization with a scale per channel (operator set 21), and InstanceNormalization: a group per channel."""
    attrs, channels = importer.attributes(node), importer.shape(node.input[0])[0]
    groups = int(attrs["num_groups"]) if node.op_type == "GroupNormalization" else channels
    if importer.constant(node.input[1], "scale").size != channels:
        raise InputError("a scale per group is not supported", hint="export with operator set 21 (a scale per channel)")
    parameters = {"gamma": importer.origin(node, 1, "scale"), "beta": importer.origin(node, 2, "bias")}
    epsilon = float(attrs.get("epsilon", 1e-5))
    importer.append(node, "group_norm", (importer.value(node.input[0]),), parameters, groups=groups, epsilon=epsilon)


def _gather(importer: Importer, node: Any) -> None:
    """An embedding (rows of a constant table), or one position along an axis."""
    axis = int(importer.attributes(node).get("axis", 0))
    if node.input[0] in importer.constants:
        table = importer.constants[node.input[0]]
        if axis or table.ndim != 2 or table.shape[0] > 65536:
            raise InputError(f"a table of shape {list(table.shape)} is not supported, [up to 65536, width] is")
        parameters = {"w": importer.origin(node, 0, "table")}
        sizes = {"vocabulary": int(table.shape[0]), "width": int(table.shape[1])}
        importer.append(node, "embedding", (importer.value(node.input[1]),), parameters, **sizes)
        return
    index = importer.constant(node.input[1], "index")
    shape = importer.shape(node.input[0])
    axis %= len(shape) + 1
    if axis == 0 or index.size != 1 or len(shape) < 2:
        raise InputError("only one position along an axis after the batch can be taken")
    first = int(index.reshape(-1)[0]) % shape[axis - 1]
    importer.append(node, "slice", (importer.value(node.input[0]),), axis=axis - 1, first=first, width=1)
    if index.ndim == 0:
        importer.net.reshape(*shape[: axis - 1], *shape[axis:])
        importer.values[node.output[0]] = importer.net.at


CONVERTERS: dict[str, Converter] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _group_norm,
    "Gather": _gather,
}
