# SPDX-License-Identifier: Apache-2.0
"""Fits a cost model over shapes to costs that were measured.

The shares of `tercet.autodiff.shape_cost` are fitted in relative error; none is negative.
"""

from __future__ import annotations

import numpy as np

from tercet.autodiff.shape_cost import ShapeCost, family, features, split
from tercet.costs import CostTable
from tercet.kernel_table import KERNELS

FITTED = "fitted"
_CHEAP = 0.2


def _solve(rows: list[dict[str, float]], values: np.ndarray) -> dict[str, float]:
    """Non-negative weights in least relative squares; errors of what is cheap anyway count less."""
    allowed = values + _CHEAP * float(np.median(values))
    names = list(rows[0])
    design = np.array([[row[name] for name in names] for row in rows]) / allowed[:, None]
    scale = np.maximum(np.abs(design).max(axis=0), 1e-30)
    # a little ridge: features that the shapes cannot tell apart share their weight
    stacked = np.vstack([design / scale, 1e-5 * np.eye(len(names))])
    weights = non_negative(stacked, np.concatenate([values / allowed, np.zeros(len(names))])) / scale
    return {name: float(weight) for name, weight in zip(names, weights, strict=True) if weight > 0}


def non_negative(design: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The x >= 0 [n] of least |design x - target|, design [m, n].

    The active set method of C. L. Lawson and R. J. Hanson, Solving Least Squares Problems (1974), chapter 23.
    """
    count = design.shape[1]
    x, free = np.zeros(count), np.zeros(count, bool)
    for _ in range(3 * count):
        slope = design.T @ (target - design @ x)
        slope[free] = -np.inf
        if free.all() or slope.max() <= 1e-10:
            break
        free[int(np.argmax(slope))] = True
        while True:
            step = np.zeros(count)
            step[free] = np.linalg.lstsq(design[:, free], target, rcond=None)[0]
            leaving = free & (step <= 0)
            if not leaving.any():
                break
            share = float(np.min(x[leaving] / (x[leaving] - step[leaving])))
            x += share * (step - x)
            free &= x > 1e-12
            x[~free] = 0.0
        x = step
    return x


def _errors(weights: dict[str, float], rows: list[dict[str, float]], values: np.ndarray) -> np.ndarray:
    predicted = np.array([sum(w * row[name] for name, w in weights.items()) for row in rows])
    return predicted / values - 1


def fit(table: CostTable, *, minimum: int = 3) -> dict[str, ShapeCost]:
    """A model for each family of which at least `minimum` shapes were measured."""
    groups: dict[str, list[str]] = {}
    for signature in table.ops:
        op, dims = split(signature)
        if op in KERNELS:
            groups.setdefault(family(op, dims), []).append(signature)
    return {name: _fit(table, members) for name, members in groups.items() if len(members) >= minimum}


def _fit(table: CostTable, members: list[str]) -> ShapeCost:
    rows = [features(*split(member)) for member in members]
    time = np.array([max(table.ops[member].time_us, 1e-3) for member in members])
    energy = np.array([max(table.ops[member].energy_nj, 1e-3) for member in members])
    weights = _solve(rows, time)
    left_out = []
    for out in range(len(members)) if len(members) > 3 else ():
        kept = [i for i in range(len(members)) if i != out]
        part = _solve([rows[i] for i in kept], time[kept])
        left_out.append(abs(float(_errors(part, [rows[out]], time[[out]])[0])))
    energy_weights = _solve(rows, energy)
    source = table.ops[members[0]].provenance
    spread = float(np.quantile(left_out, 0.95)) if left_out else None
    return ShapeCost(
        weights, energy_weights, len(members), float(np.abs(_errors(weights, rows, time)).max()),
        float(np.abs(_errors(energy_weights, rows, energy)).max()), spread, f"{FITTED} {source}",
    )  # fmt: skip
