# SPDX-License-Identifier: Apache-2.0
"""What a compressed model ships and costs: one row a layer, and the picture of error against bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.compress.network import macs, weight_layers
from tercet.compress.packed import cycles, tensor
from tercet.compress.packed.container import pack
from tercet.compress.packed.execution import Execution
from tercet.model.graph import Layer, Model
from tercet.model.weights import Weights

COLUMNS = ("name", "op", "weights", "density", "values", "bits", "bytes", "macs", "format", "cycles")


def f32_bytes(model: Model) -> int:
    """Bytes of all parameters as f32: what every ratio compares with."""
    return 4 * sum(parameter.count for parameter in model.parameters.values())


def code_bits(weights: np.ndarray) -> int:
    """Bits that tell the non-zero weights' different values apart, 32 where there are too many for a codebook."""
    values = len(np.unique(weights[weights != 0]))
    return 32 if values > 256 else max(1, (values - 1).bit_length())


def layer_rows(model: Model, weights: Weights, execution: Execution | None = None) -> list[dict[str, Any]]:
    """One row per dense and convolution layer, and one `rest` for everything else in the file.

    `bytes` are those of the layer's tensors in the compressed file, tables and biases included; the rows add up to
    the file.
    `cycles` are modelled for the format of execution, whole numbers at zero wait states.
    """
    products, formats = macs(model), execution.formats if execution else {}
    rows = [_row(layer, weights, products[layer.name], formats.get(layer.name, "")) for layer in weight_layers(model)]
    rest = len(pack(model, weights, execution)) - sum(row["bytes"] for row in rows)
    return [*rows, dict(zip(COLUMNS, ("rest", "", 0, 1.0, 0, 0, rest, 0, "", 0), strict=True))]


def _row(layer: Layer, weights: Weights, products: int, wanted: str) -> dict[str, Any]:
    """The row of one layer with so many multiply-accumulates, executed as `wanted` or, where that is no format of it, fastest."""
    value = weights[layer.parameters["w"]]
    costs = cycles.costs(value, products // value.size)
    cost = costs[wanted] if wanted in costs else cycles.fastest(value, products // value.size)
    size = len(tensor.encode(value, {"csc": tensor.COLUMNS, "delta": 0}.get(wanted)).data)
    size += sum(len(tensor.encode(weights[name]).data) for role, name in layer.parameters.items() if role != "w")
    return {
        "name": layer.name,
        "op": layer.op,
        "weights": int(value.size),
        "density": round(float(np.count_nonzero(value)) / value.size, 5),
        "values": len(np.unique(value[value != 0])),
        "bits": code_bits(value),
        "bytes": size,
        "macs": products,
        "format": cost.format,
        "cycles": round(cost.cycles),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as aligned text."""
    cells = [list(COLUMNS), *[[str(row[column]) for column in COLUMNS] for row in rows]]
    widths = [max(len(line[at]) for line in cells) for at in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def points(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The points of a run's picture: before, each stage, after."""
    before = {"name": "before", "bytes_on_disk": result["bytes_before"], "error": result["error_before"]}
    after = {"name": result["method"], "bytes_on_disk": result["bytes_on_disk"], "error": result["error_after"]}
    middle = [{"name": row["stage"], **{key: row[key] for key in ("bytes_on_disk", "error")}} for row in result["stages"]]
    return [before, *middle, after]


def pareto(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points that no other beats in both `bytes_on_disk` and `error`, smallest first."""
    best: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda point: (point["bytes_on_disk"], point["error"])):
        if not best or point["error"] < best[-1]["error"]:
            best.append(point)
    return best


def pareto_svg(points: Sequence[dict[str, Any]], title: str = "") -> bytes:
    """A picture of error (percent) against bytes on disk (logarithmic): `{"name", "bytes_on_disk", "error"}` a
    point."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    front = pareto(points)
    axes.step([p["bytes_on_disk"] for p in front], [p["error"] for p in front], where="post", color="#4477aa")
    for point in points:
        axes.plot(point["bytes_on_disk"], point["error"], "o", color="#4477aa" if point in front else "#999999")
        axes.annotate(point["name"], (point["bytes_on_disk"], point["error"]), (5, 4), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.set(xlabel="bytes on disk", ylabel="test error in %", title=title)
    axes.grid(alpha=0.3)
    stream = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return stream.getvalue()
