# SPDX-License-Identifier: Apache-2.0
"""Converters of ONNX nodes that add, multiply and lay out values."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.model.exchange import attention
from tercet.model.exchange.importer import Converter, Importer
from tercet.model.exchange.weighted import add_bias
from tercet.model.operators import Shape, product


def _same(importer: Importer, node: Any) -> None:
    importer.values[node.output[0]] = importer.value(node.input[0])


def _sides(importer: Importer, node: Any) -> tuple[str, str | None]:
    """(value, constant) of a node with two inputs; constant None where both are computed."""
    first, second = node.input
    if second in importer.constants:
        return first, second
    return (second, first) if first in importer.constants else (first, None)


def _values(importer: Importer, node: Any) -> tuple[str, ...]:
    shapes = {importer.shape(name) for name in node.input}
    if len(shapes) > 1:
        raise InputError(f"shapes {[list(shape) for shape in shapes]} differ; broadcasting is not supported")
    return tuple(importer.value(name) for name in node.input)


def _add(importer: Importer, node: Any) -> None:
    if attention.masked(importer, node):
        return
    value, constant = _sides(importer, node)
    if constant is None:
        importer.append(node, "add", _values(importer, node))
        return
    numbers, shape = importer.constants[constant], importer.shape(value)
    if not np.any(numbers):
        importer.values[node.output[0]] = importer.value(value)
    elif add_bias(importer, node, value, constant):
        return
    elif tuple(numbers.shape[-len(shape) :]) == shape and numbers.size == product(shape):
        parameters = {"w": importer.origin(node, list(node.input).index(constant), "addend")}
        importer.append(node, "position", (importer.value(value),), parameters)
    else:
        raise InputError(
            f"an added constant of shape {list(numbers.shape)} on a value of {list(shape)} is not supported",
            hint="a bias right after Conv or MatMul, or one number for each element",
        )


def _sum(importer: Importer, node: Any) -> None:
    if len(node.input) == 1:
        _same(importer, node)
    else:
        importer.append(node, "add", _values(importer, node))


def _multiply(importer: Importer, node: Any) -> None:
    value, constant = _sides(importer, node)
    if constant is None:
        if node.op_type == "Div":
            raise InputError("a quotient of two computed values is not supported", hint="Mul")
        importer.append(node, "multiply", _values(importer, node))
        return
    numbers = importer.constants[constant]
    if numbers.size != 1 or (node.op_type == "Div" and node.input[0] == constant):
        raise InputError("only one number can scale a value", hint="BatchNormalization for a factor per channel")
    number = float(numbers.reshape(-1)[0])
    if node.op_type == "Div" and number == 0.0:
        raise InputError("divides by zero")
    factor = 1.0 / number if node.op_type == "Div" else number
    if not attention.scaled(importer, node, factor):
        importer.append(node, "scale", (importer.value(value),), factor=factor)


def _where(importer: Importer, node: Any) -> None:
    if not attention.masked(importer, node):
        raise InputError("a choice is supported as the causal mask of attention only")


def _layout(importer: Importer, node: Any, shape: Shape) -> None:
    """The same numbers in another shape without the batch."""
    if shape == importer.shape(node.input[0]):
        _same(importer, node)
    else:
        importer.append(node, "reshape", (importer.value(node.input[0]),), shape=[int(extent) for extent in shape])


def _flatten(importer: Importer, node: Any) -> None:
    rank = len(importer.shape(node.input[0])) + 1
    axis = importer.attributes(node).get("axis", 1) % (rank + 1)
    if axis != 1:
        raise InputError("only everything after the batch can be flattened (axis 1)")
    _layout(importer, node, (product(importer.shape(node.input[0])),))


def _reshape(importer: Importer, node: Any) -> None:
    name, batch = node.input[0], importer.source.batch
    if name in importer.merged:
        inner = importer.net.shapes[importer.merged[name]]
        found: Shape = (batch * inner[0], *inner[1:])
    else:
        found = (batch, *importer.shape(name))
    target = [int(extent) for extent in importer.constant(node.input[1], "shape").reshape(-1)]
    if not importer.attributes(node).get("allowzero", 0):
        target = [found[number] if extent == 0 else extent for number, extent in enumerate(target)]
    rest = product(tuple(extent for extent in target if extent != -1))
    if rest and target.count(-1) == 1 and product(found) % rest == 0:
        target = [product(found) // rest if extent == -1 else extent for extent in target]
    if _regroup(importer, node, found, tuple(target)):
        return
    if len(target) < 2 or name in importer.merged or target[0] != found[0] or product(tuple(target)) != product(found):
        raise InputError(f"cannot lay out {list(found)} as {target}: the batch must stay the first axis")
    _layout(importer, node, tuple(target[1:]))


def _regroup(importer: Importer, node: Any, found: Shape, target: Shape) -> bool:
    """Whether the node only wrote the first axis into the batch, or took it out again, as exports of attention do."""
    name, output = node.input[0], node.output[0]
    if name in importer.merged:
        apart = (importer.source.batch, *importer.net.shapes[importer.merged[name]])
        if target == apart:
            importer.values[output] = importer.merged[name]
        return target == apart
    if len(found) > 3 and target == (found[0] * found[1], *found[2:]):
        importer.merged[output] = importer.value(name)
        return True
    return False


def _axes(importer: Importer, node: Any) -> list[int] | None:
    axes = importer.attributes(node).get("axes")
    if axes is None and len(node.input) > 1:
        axes = importer.constant(node.input[1], "axes").reshape(-1).tolist()
    return None if axes is None else [int(axis) for axis in axes]


def _squeeze(importer: Importer, node: Any) -> None:
    shape, axes = [1, *importer.shape(node.input[0])], _axes(importer, node)
    rank = len(shape)
    gone = {axis % rank for axis in axes} if axes else {n for n in range(1, rank) if shape[n] == 1}
    if 0 in gone or any(shape[axis] != 1 for axis in gone):
        raise InputError(f"axes {sorted(gone)} of {shape} cannot be dropped")
    _layout(importer, node, tuple(extent for number, extent in enumerate(shape) if number and number not in gone))


def _unsqueeze(importer: Importer, node: Any) -> None:
    shape, axes = [1, *importer.shape(node.input[0])], _axes(importer, node) or []
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
        if axis == 0:
            raise InputError("the batch must stay the first axis")
    _layout(importer, node, tuple(shape[1:]))


def _transpose(importer: Importer, node: Any) -> None:
    """Inverse pairs, as exports from Keras have them around convolutions, cancel; moves of axes of 1 are free."""
    name = node.input[0]
    source = importer.merged.get(name) or importer.value(name)
    shape = importer.net.shapes[source]
    order = list(importer.attributes(node).get("perm", range(len(shape), -1, -1)))
    if order[0] != 0:
        raise InputError("the batch must stay the first axis")
    axes = [axis - 1 for axis in order[1:]]
    if name in importer.merged:  # its first axis stays with the batch
        importer.net.layer("transpose", inputs=(source,), axes=[0, *(axis + 1 for axis in axes)])
        importer.merged[node.output[0]] = importer.net.at
        return
    maker = next((layer for layer in importer.net.layers if layer.name == source), None)
    if maker is not None and maker.op == "transpose":
        axes, source = [maker.attrs["axes"][axis] for axis in axes], maker.inputs[0]
        shape = importer.net.shapes[source]
    if axes == sorted(axes):
        importer.values[node.output[0]] = source
        return
    moved = [axis for axis in axes if shape[axis] != 1]
    if moved == sorted(moved):
        importer.append(node, "reshape", (source,), shape=[shape[axis] for axis in axes])
    else:
        importer.append(node, "transpose", (source,), axes=axes)


def _shape(importer: Importer, node: Any) -> None:
    attrs, full = importer.attributes(node), [importer.source.batch, *importer.shape(node.input[0])]
    part = full[attrs.get("start", 0) : attrs.get("end")]
    importer.constants[node.output[0]] = np.array(part, np.int64)


def _pad(importer: Importer, node: Any) -> None:
    """Zeros around an image: they become padding of the convolution that follows."""
    attrs = importer.attributes(node)
    pads = attrs.get("pads")
    if pads is None:
        pads = importer.constant(node.input[1], "widths").reshape(-1).tolist()
    value = importer.constants[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros(1)
    axes = len(importer.shape(node.input[0])) - 1
    around = [*pads[2 : 2 + axes], *pads[4 + axes :]]
    if attrs.get("mode", "constant") != "constant" or np.any(value) or any(pads[:2]) or any(pads[2 + axes : 4 + axes]):
        raise InputError("only zeros around an image are supported")
    importer.values[node.output[0]] = importer.value(node.input[0])
    if any(around):
        importer.pads[node.output[0]] = (0, around[0], 0, around[1]) if axes == 1 else tuple(around)  # type: ignore[assignment]


CONVERTERS: dict[str, Converter] = {
    "Identity": _same,
    "Cast": _same,
    "Add": _add,
    "Sum": _sum,
    "Mul": _multiply,
    "Div": _multiply,
    "Where": _where,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Shape": _shape,
    "Pad": _pad,
}
