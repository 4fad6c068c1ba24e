# SPDX-License-Identifier: Apache-2.0
"""The cost of an operator by its shape: a sum of non-negative shares, each proportional to what the operator's loops count.

The shares are fitted to measured shapes (`tercet.profile.fit`); here they predict shapes that were not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tercet.autodiff.work import elements, macs
from tercet.costs import CostTable, OpCost
from tercet.errors import ArtifactError
from tercet.kernel_table import KERNELS, named_dims

_SETTINGS = ("activation", "nesterov", "decoupled", "tanh_form", "count_padding", "causal", "kernel_height", "kernel_width")


def features(op: str, dims: tuple[int, ...]) -> dict[str, float]:
    """What an operator's loops count, by name. Settings such as activations choose a model of their own (see `family`)."""
    named = {name: float(value) for name, value in named_dims(op, dims).items()}
    if op.startswith("read_"):
        return {"start": 1.0, "rows": named["batch"]}
    if op.startswith("dense"):
        return _product(op, int(named["batch"]), int(named["inputs"]), int(named["outputs"]))
    products = float(macs(op, dims))
    if products:
        channels = named.get("channels", 1.0)
        outputs = named["batch"] * named.get("out_channels", channels) * named["out_height"] * named["out_width"]
        inputs = named["batch"] * named.get("in_channels", channels) * named["in_height"] * named["in_width"]
        return {"start": 1.0, "outputs": outputs, "inputs": inputs, "products": products, "taps": products / max(outputs, 1.0)}
    rows = named.get("batch", named.get("rows", named.get("outer", 1.0)))
    found = {"start": 1.0, "elements": float(elements(op, dims))}
    return found | ({"rows": rows} if rows > 1 or "batch" in named else {})


def _product(op: str, batch: int, inputs: int, outputs: int) -> dict[str, float]:
    """The loops of a blocked matrix product C[m, n] += A B over k, as the kernels of `firmware/kernels/tk_gemm.c` run them.

    Blocks of 4 x 4, whose inner loop takes four steps of k at a time; then the columns and the rows that are left over.
    """
    if op == "dense_forward":
        m, n, k = batch, outputs, inputs
        rest = _loops("dot8", m % 4 * (n // 8), k, 8) | _loops("dot2", 2 * (m // 4) * (n % 4) + m % 4 * -(-(n % 8) // 2), k, 8)
    elif op == "dense_backward_data":
        m, n, k = batch, inputs, outputs
        rest = _loops("combine8", m % 4 * (n // 8), k, 4) | _loops("combine4", m % 4 * (n % 8 // 4), k, 4)
        rest |= _loops("single", m * (n % 4), k, 1)
    else:
        return _update(batch, inputs, outputs)
    return {"start": 1.0, "rows": m, "elements": m * n, "bands": m // 4, **_loops("block", m // 4 * (n // 4), k, 4), **rest}


def _update(batch: int, inputs: int, outputs: int) -> dict[str, float]:
    """The product that sums over the batch: rows of A are packed by panels of 32 steps; the rows left over are rank-1 updates."""
    bands = outputs // 4 if batch > 1 else 0
    rest, panels, columns = outputs - 4 * bands, -(-batch // 32), bands * (inputs % 4)
    quads, strips = batch // 32 * 8 + batch % 32 // 4, batch * (inputs // 16)
    return {
        "start": 1.0, "rows": outputs, "elements": inputs * outputs, "depth": batch, "bias": batch * outputs,
        "packed": bands * batch, "panels": bands * panels, "block_starts": bands * (inputs // 4) * panels,
        "block_turns": bands * (inputs // 4) * quads, "block_rests": bands * (inputs // 4) * (batch % 4),
        "column_starts": columns * panels, "column_turns": columns * batch,
        "strip_starts": strips * (rest > 0), "strip_turns": strips * (rest // 3), "strip_rests": strips * (rest % 3),
        "tail_starts": batch * rest * (inputs % 16 > 0), "tail_turns": batch * rest * (inputs % 16),
    }  # fmt: skip


def _loops(name: str, calls: int, steps: int, unrolled: int) -> dict[str, float]:
    """A loop of `steps` that is run `calls` times, some steps in one turn: starts, turns, and the steps left over."""
    found = {f"{name}_starts": float(calls), f"{name}_turns": float(calls * (steps // unrolled))}
    return found | ({f"{name}_rests": float(calls * (steps % unrolled))} if unrolled > 1 else {})


def family(op: str, dims: tuple[int, ...]) -> str:
    """Shapes that share a model: the operator and its settings that are no sizes."""
    # a row read from the data is a transfer: its cost is known for the lengths that were measured only
    settings = ("features", "width") if op.startswith("read_") else _SETTINGS
    named = named_dims(op, dims)
    chosen = ",".join(f"{name}={named[name]:g}" for name in settings if name in named)
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
