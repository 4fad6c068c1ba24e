# SPDX-License-Identifier: Apache-2.0
"""The cost of an operator by its shape: a sum of non-negative shares, each proportional to what the operator's loops count.

The shares are fitted to measured shapes (`tercet.profile.fit`); here they predict shapes that were not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tercet.autodiff.loops import convolutions, planes, products
from tercet.autodiff.work import elements
from tercet.costs import CostTable, OpCost
from tercet.errors import ArtifactError
from tercet.kernel_table import ACTIVATIONS, KERNELS, named_dims

_SETTINGS = ("activation", "nesterov", "decoupled", "tanh_form", "count_padding", "causal")
_CLIPPED = (ACTIVATIONS["relu"], ACTIVATIONS["relu6"])


def features(op: str, dims: tuple[int, ...]) -> dict[str, float]:
    """What an operator's loops count, by name. Settings such as activations choose a model of their own (see `family`)."""
    named = named_dims(op, dims)
    if op.startswith("read_"):
        return {"start": 1.0, "rows": float(named["batch"])}
    if op.startswith("dense"):
        return products.dense(op, int(named["batch"]), int(named["inputs"]), int(named["outputs"]))
    if op.startswith("conv2d"):
        shape = convolutions.shape_of(named)
        return convolutions.conv(op, shape) | _activated(named, shape.batch * shape.groups * shape.outputs * shape.pixels)
    if planes.counted(op):
        plane = planes.plane_of(named)
        return planes.plane(op, plane) | _activated(named, plane.planes * plane.out_height * plane.out_width)
    if "spatial" in named:
        lines = float(named["batch"] * named["channels"])
        return {"start": 1.0, "channels": float(named["channels"]), "lines": lines, "elements": lines * named["spatial"]}
    rows = float(named.get("batch", named.get("rows", named.get("outer", 1.0))))
    found = {"start": 1.0, "elements": float(elements(op, dims))}
    return found | ({"rows": rows} if rows > 1 or "batch" in named else {})


def _activated(named: dict[str, float], count: int) -> dict[str, float]:
    """Of a forward convolution: the elements that are clipped at zero."""
    return {"clipped": float(count * (named["activation"] in _CLIPPED))} if "activation" in named else {}


def family(op: str, dims: tuple[int, ...]) -> str:
    """Shapes that share a model: the operator, its settings that are no sizes, and the way that the kernel goes."""
    # a row read from the data is a transfer: its cost is known for the lengths that were measured only
    settings = ("features", "width") if op.startswith("read_") else _SETTINGS
    named = named_dims(op, dims)
    way = ""
    if op.startswith("conv2d"):
        way = convolutions.way(op, convolutions.shape_of(named))
    elif planes.counted(op):
        way = planes.way(op, planes.plane_of(named))
    if op.startswith(("conv2d", "depthwise")) and named.get("activation", 0) in (0, *_CLIPPED):
        named.pop("activation", None)  # a count of its own, see `_activated`
    chosen = ",".join([way] * bool(way) + [f"{name}={named[name]:g}" for name in settings if name in named])
    return f"{op}[{chosen}]" if chosen else op


def split(signature: str) -> tuple[str, tuple[int, ...]]:
    """Operator and dimensions of a signature."""
    op, _, dims = signature.partition(":")
    return op, tuple(int(value) for value in dims.split(","))


@dataclass(frozen=True)
class ShapeCost:
    """The model of one family: weights by feature for time (us) and net energy (nJ).

    `time_residual` and `energy_residual` are the largest relative errors on the `shapes` shapes that it was made from; `left_out`
    the 95th percentile of the time's error when each shape in turn is left out (None: too few shapes).
    """

    time: dict[str, float]
    energy: dict[str, float]
    shapes: int
    time_residual: float
    energy_residual: float
    left_out: float | None
    provenance: str

    def predict(self, op: str, dims: tuple[int, ...]) -> OpCost:
        """The cost of a shape."""
        found = features(op, dims)
        time = sum(weight * found[name] for name, weight in self.time.items())
        energy = sum(weight * found[name] for name, weight in self.energy.items())
        spread = self.left_out if self.left_out is not None else self.time_residual
        return OpCost(time, energy, self.provenance, time * spread, energy * spread)


def attach(table: CostTable) -> CostTable:
    """The table, its `fits` answering for shapes that it lacks; raises ArtifactError when they are damaged."""
    if not table.fits:
        return table
    try:
        models = {name: ShapeCost(**entry) for name, entry in table.fits.items()}
    except TypeError as error:
        raise ArtifactError(f"costs of {table.board}: fits: {str(error).rpartition('__init__() ')[2]}") from error

    def model(signature: str) -> OpCost | None:
        op, dims = split(signature)
        found = models.get(family(op, dims)) if op in KERNELS else None
        return found.predict(op, dims) if found else None

    return replace(table, model=model)


def to_fits(models: dict[str, ShapeCost]) -> dict[str, Any]:
    """What a cost table keeps of the models."""
    return {name: vars(found) for name, found in models.items()}
