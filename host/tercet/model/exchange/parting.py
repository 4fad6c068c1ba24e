# SPDX-License-Identifier: Apache-2.0
"""Converters of ONNX nodes that join values and take parts of them."""

from __future__ import annotations

from typing import Any

from tercet.errors import InputError
from tercet.model.exchange.importer import Converter, Importer


def _concat(importer: Importer, node: Any) -> None:
    rank = len(importer.shape(node.input[0])) + 1
    axis = importer.attributes(node)["axis"] % rank
    if axis == 0:
        raise InputError("samples of a batch cannot be joined")
    importer.append(node, "concat", tuple(importer.value(name) for name in node.input), axis=axis - 1)


def _split(importer: Importer, node: Any) -> None:
    attrs, shape = importer.attributes(node), importer.shape(node.input[0])
    axis = int(attrs.get("axis", 0)) % (len(shape) + 1)
    if axis == 0:
        raise InputError("samples of a batch cannot be parted")
    widths = attrs.get("split")
    if len(node.input) > 1 and node.input[1]:
        widths = importer.constant(node.input[1], "widths").reshape(-1).tolist()
    if widths is None:
        most = -(-shape[axis - 1] // len(node.output))
        widths = [min(most, shape[axis - 1] - most * number) for number in range(len(node.output))]
    first = 0
    for output, width in zip(node.output, widths, strict=True):
        importer.net.layer("slice", inputs=(importer.value(node.input[0]),), axis=axis - 1, first=first, width=int(width))
        importer.values[output] = importer.net.at
        first += int(width)


def _slice(importer: Importer, node: Any) -> None:
    attrs, shape = importer.attributes(node), importer.shape(node.input[0])

    def numbers(number: int, name: str) -> list[int] | None:
        if len(node.input) > number and node.input[number]:
            return [int(value) for value in importer.constant(node.input[number], name).reshape(-1)]
        return attrs.get(name)

    starts, ends = numbers(1, "starts") or [], numbers(2, "ends") or []
    axes = numbers(3, "axes") or list(range(len(starts)))
    if any(step != 1 for step in numbers(4, "steps") or []):
        raise InputError("steps other than 1 are not supported")
    source = importer.value(node.input[0])
    for start, end, axis in zip(starts, ends, (axis % (len(shape) + 1) for axis in axes), strict=True):
        extent = importer.source.batch if axis == 0 else shape[axis - 1]
        first, last, _ = slice(start, end).indices(extent)
        if (first, last) == (0, extent):
            continue
        if axis == 0:
            raise InputError("samples of a batch cannot be parted")
        source = importer.net.layer("slice", inputs=(source,), axis=axis - 1, first=first, width=last - first).at
    importer.values[node.output[0]] = source


CONVERTERS: dict[str, Converter] = {"Concat": _concat, "Split": _split, "Slice": _slice}
