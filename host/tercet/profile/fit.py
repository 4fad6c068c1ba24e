# SPDX-License-Identifier: Apache-2.0
"""A cost model over shapes: from costs that were measured to costs of shapes that were not.

An operator's time is a sum of non-negative shares, each proportional to a count that its loops make: starts, rows,
elements, products. The shares are fitted to the measured shapes in relative error; features that would be negative are
dropped, the worst first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts, costs
from tercet.autodiff.work import elements, macs
from tercet.costs import CostTable, OpCost
from tercet.kernel_table import KERNELS, named_dims

FITTED = "fitted"
_CHEAP = 0.2


def features(op: str, dims: tuple[int, ...]) -> dict[str, float]:
    """What an operator's loops count, by name. Settings such as activations choose a model of their own (see `family`)."""
    named = {name: float(value) for name, value in named_dims(op, dims).items()}
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
    """The loops of a blocked matrix product C[m, n] += A B over k: full blocks of 4 x 4, the columns and rows left over."""
    shapes = {"dense_forward": (batch, outputs, inputs), "dense_backward_data": (batch, inputs, outputs)}
    m, n, k = shapes.get(op, (outputs, inputs, batch))
    bands, blocks = m // 4, (m // 4) * (n // 4)
    return {
        "start": 1.0, "rows": m, "bands": bands, "elements": m * n, "blocks": blocks, "block_products": blocks * k,
        "block_rests": blocks * (k % 4), "column_starts": bands * (n % 4), "column_products": bands * (n % 4) * k,
        "row_starts": m % 4, "row_elements": (m % 4) * n, "row_products": (m % 4) * n * k, "packed": bands * k,
        "panels": bands * -(-k // 32), "bias": batch * outputs, "depth": k, "rank_starts": (m % 4) * k,
    }  # fmt: skip


def family(op: str, dims: tuple[int, ...]) -> str:
    """Shapes that share a model: the operator and its settings that are no sizes."""
    settings = ("activation", "nesterov", "decoupled", "tanh_form", "count_padding", "causal", "kernel_height", "kernel_width")
    named = named_dims(op, dims)
    chosen = ",".join(f"{name}={named[name]:g}" for name in settings if name in named)
    return f"{op}[{chosen}]" if chosen else op


def split(signature: str) -> tuple[str, tuple[int, ...]]:
    """Operator and dimensions of a signature."""
    op, _, dims = signature.partition(":")
    return op, tuple(int(value) for value in dims.split(","))


@dataclass(frozen=True)
class Fit:
    """The model of one family: weights by feature for time (us) and net energy (nJ).

    `residual` is the largest relative error of the time on the shapes that it was made from, `left_out` the 95th
    percentile when each shape in turn is left out (None: too few shapes).
    """

    time: dict[str, float]
    energy: dict[str, float]
    shapes: int
    residual: float
    left_out: float | None
    provenance: str

    def predict(self, op: str, dims: tuple[int, ...]) -> OpCost:
        """The cost of a shape."""
        found = features(op, dims)
        time = sum(weight * found[name] for name, weight in self.time.items())
        energy = sum(weight * found[name] for name, weight in self.energy.items())
        spread = self.left_out if self.left_out is not None else self.residual
        return OpCost(time, energy, self.provenance, time * spread, energy * spread)


def _solve(rows: list[dict[str, float]], values: np.ndarray) -> dict[str, float]:
    """Non-negative weights in least relative squares; errors of what is cheap anyway count less."""
    allowed = values + _CHEAP * float(np.median(values))
    names = list(rows[0])
    while True:
        design = np.array([[row[name] for name in names] for row in rows]) / allowed[:, None]
        scale = np.maximum(np.abs(design).max(axis=0), 1e-30)
        # a little ridge: features that the shapes cannot tell apart share their weight
        stacked = np.vstack([design / scale, 1e-5 * np.eye(len(names))])
        target = np.concatenate([values / allowed, np.zeros(len(names))])
        weights = np.linalg.lstsq(stacked, target, rcond=None)[0]
        worst = int(np.argmin(weights))
        if weights[worst] >= 0 or len(names) == 1:
            return {name: float(max(w, 0.0) / s) for name, w, s in zip(names, weights, scale, strict=True) if w > 0}
        names.pop(worst)


def _errors(weights: dict[str, float], rows: list[dict[str, float]], values: np.ndarray) -> np.ndarray:
    predicted = np.array([sum(w * row[name] for name, w in weights.items()) for row in rows])
    return predicted / values - 1


def fit(table: CostTable, *, minimum: int = 3) -> dict[str, Fit]:
    """A model for each family of which at least `minimum` shapes were measured."""
    groups: dict[str, list[str]] = {}
    for signature in table.ops:
        op, dims = split(signature)
        if op in KERNELS and KERNELS[op].opcode >= 16:
            groups.setdefault(family(op, dims), []).append(signature)
    return {name: _fit(table, members) for name, members in groups.items() if len(members) >= minimum}


def _fit(table: CostTable, members: list[str]) -> Fit:
    rows = [features(*split(member)) for member in members]
    time = np.array([max(table.ops[member].time_us, 1e-3) for member in members])
    energy = np.array([max(table.ops[member].energy_nj, 1e-3) for member in members])
    weights = _solve(rows, time)
    left_out = []
    for out in range(len(members)) if len(members) > 3 else ():
        kept = [i for i in range(len(members)) if i != out]
        part = _solve([rows[i] for i in kept], time[kept])
        left_out.append(abs(float(_errors(part, [rows[out]], time[[out]])[0])))
    residual = float(np.abs(_errors(weights, rows, time)).max())
    source = table.ops[members[0]].provenance
    spread = float(np.quantile(left_out, 0.95)) if left_out else None
    return Fit(weights, _solve(rows, energy), len(members), residual, spread, f"{FITTED} {source}")


def attach(table: CostTable, fits: dict[str, Fit]) -> CostTable:
    """The table with the fits answering for shapes that it lacks."""

    def model(signature: str) -> OpCost | None:
        op, dims = split(signature)
        found = fits.get(family(op, dims)) if op in KERNELS else None
        return found.predict(op, dims) if found else None

    return replace(table, model=model)


def save(table: CostTable, fits: dict[str, Fit], path: Path) -> Path:
    """Writes costs.json with its fits."""
    body: dict[str, Any] = costs.to_body(table) | {"fits": {name: vars(found) for name, found in fits.items()}}
    return artifacts.write_json(path, costs.SCHEMA, body, table.inputs)


def load(path: Path) -> CostTable:
    """The table in a file, with its fits attached."""
    table = costs.load(path)
    fits = json.loads(Path(path).read_text(encoding="utf-8")).get("fits", {})
    return attach(table, {name: Fit(**entry) for name, entry in fits.items()})
