# SPDX-License-Identifier: Apache-2.0
"""Rows relaxed and solved by HiGHS through MathOpt; bounds are corrected for everything floating point may hide."""

from __future__ import annotations

import copy
import datetime
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt
from ortools.math_opt.solvers import highs_pb2

from tercet.solve.helper import Helper
from tercet.solve.rows import INFINITY, Rows

# The objective is scaled so that the cutoff is this many units: tolerances of 1e-7 a column stay far below one unit.
UNITS = 1e5
# A proof by branch and bound claims its bound less this part of the cutoff (a hundredth of a unit).
MARGIN = 1e-7


@dataclass(frozen=True)
class Relaxed:
    """An LP optimum: a safe lower bound (without the offset), reduced costs per column, the point itself."""

    bound: float
    reduced: np.ndarray
    point: np.ndarray
    solve_s: float


@dataclass(frozen=True)
class Found:
    """The end of a branch-and-bound run: `optimal` (of these rows), `feasible`, `infeasible` or `unknown`."""

    status: str
    point: np.ndarray | None
    bound: float
    solve_s: float


@dataclass
class Highs:
    """HiGHS in a process of its own, which `stop` and the time limit end; `meanwhile` is called while it works."""

    stop: threading.Event | None = None
    meanwhile: Callable[[], None] = lambda: None
    helper: Helper = field(default_factory=Helper)

    def run(
        self, proto: model_pb2.ModelProto, time_limit_s: float, whole: bool, gap: float = 0.0, seed: int = 0
    ) -> dict[str, Any] | None:  # fmt: skip
        """The answer of `answer`, or None."""
        # a solver looks at the clock between two steps only; the grace is for a long last one
        found: dict[str, Any] | None = self.helper.ask(
            "tercet.solve.mip:answer", patience_s=time_limit_s * 1.2 + 8, stop=self.stop, meanwhile=self.meanwhile,
            model=proto.SerializeToString(), time_limit_s=max(0.05, time_limit_s), whole=whole, gap=gap, seed=seed,
        )  # fmt: skip
        return found


class Matrix:
    """Rows as sparse arrays, with large coefficients scaled down row by row."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        counts = np.fromiter((len(t) for t in rows.row_terms), dtype=np.int64, count=len(rows.row_terms))
        total = int(counts.sum())
        self.row = np.repeat(np.arange(len(counts)), counts)
        self.column = np.fromiter((c for t in rows.row_terms for c, _ in t), dtype=np.int64, count=total)
        self.value = np.fromiter((a for t in rows.row_terms for _, a in t), dtype=np.float64, count=total)
        largest = np.ones(len(counts))
        np.maximum.at(largest, self.row, np.abs(self.value))
        scale = np.where(largest > 100, largest / 100, 1.0)
        self.value /= scale[self.row]
        low, high = np.array(rows.row_low, dtype=np.float64), np.array(rows.row_high, dtype=np.float64)
        self.row_low = np.where(low <= -INFINITY / 2, -np.inf, low / scale)
        self.row_high = np.where(high >= INFINITY / 2, np.inf, high / scale)
        self.cost = np.array(rows.cost, dtype=np.float64)
        self.low, self.high = np.array(rows.low, dtype=np.float64), np.array(rows.high, dtype=np.float64)
        self.whole = np.array(rows.whole, dtype=bool)

    def within(self, low: np.ndarray, high: np.ndarray) -> Matrix:
        """The same rows with other limits of the columns."""
        other = copy.copy(self)
        other.low, other.high = low, high
        return other

    def to_proto(self, unit: float, whole: np.ndarray | None, cutoff: float | None) -> model_pb2.ModelProto:
        """The model with costs divided by `unit`, the columns of the mask `whole` integer.

        With `cutoff`, costs above it are ruled out by a row.
        """
        proto = model_pb2.ModelProto()
        proto.variables.ids.extend(range(len(self.cost)))
        proto.variables.lower_bounds.extend(self.low)
        proto.variables.upper_bounds.extend(self.high)
        proto.variables.integers.extend([False] * len(self.cost) if whole is None else whole.tolist())
        used = np.flatnonzero(self.cost)
        proto.objective.linear_coefficients.ids.extend(used.tolist())
        proto.objective.linear_coefficients.values.extend((self.cost[used] / unit).tolist())
        row, column, value = self.row, self.column, self.value
        low, high = self.row_low, self.row_high
        if cutoff is not None:
            row = np.concatenate([row, np.full(len(used), len(low))])
            column, value = np.concatenate([column, used]), np.concatenate([value, self.cost[used] / unit])
            low, high = np.append(low, -np.inf), np.append(high, cutoff / unit)
        order = np.lexsort((column, row))
        proto.linear_constraints.ids.extend(range(len(low)))
        proto.linear_constraints.lower_bounds.extend(low)
        proto.linear_constraints.upper_bounds.extend(high)
        matrix = proto.linear_constraint_matrix
        matrix.row_ids.extend(row[order].tolist())
        matrix.column_ids.extend(column[order].tolist())
        matrix.coefficients.extend(value[order].tolist())
        return proto


def relax(matrix: Matrix, unit: float, highs: Highs, *, time_limit_s: float = 60.0) -> Relaxed | None:
    """The LP relaxation with a bound that holds whatever the solver's tolerances; None without an answer in time."""
    started = time.perf_counter()
    found = highs.run(matrix.to_proto(unit, None, None), time_limit_s, False)
    if found is None or found["duals"] is None or found["point"] is None:
        return None
    bound, reduced = safe_bound(matrix, unit, found["duals"])
    return Relaxed(bound * unit, reduced * unit, found["point"], time.perf_counter() - started)


def safe_bound(matrix: Matrix, unit: float, duals: np.ndarray) -> tuple[float, np.ndarray]:
    """A lower bound from any duals, by weak duality over the columns' boxes, less the rounding error of the sums.

    Neumaier and Shcherbina, Safe bounds in linear and mixed-integer linear programming (2004).
    """
    duals = np.where((duals > 0) & ~np.isfinite(matrix.row_low), 0.0, duals)
    duals = np.where((duals < 0) & ~np.isfinite(matrix.row_high), 0.0, duals)
    side = np.where(duals > 0, matrix.row_low, np.where(duals < 0, matrix.row_high, 0.0))
    products = duals[matrix.row] * matrix.value
    reduced = matrix.cost / unit - np.bincount(matrix.column, products, minlength=len(matrix.cost))
    boxes = np.where(reduced > 0, reduced * matrix.low, reduced * matrix.high)
    size = np.abs(duals * side).sum() + np.abs(boxes).sum() + (np.abs(products) * matrix.high[matrix.column]).sum()
    error = size * 2.0**-52 * (len(products) + len(duals) + len(reduced)) ** 0.5 * 16
    return float((duals * side).sum() + boxes.sum() - error), reduced


def branch(
    matrix: Matrix, unit: float, highs: Highs, *, cutoff: float | None = None, time_limit_s: float = 60.0,
    whole: np.ndarray | None = None, gap: float = 0.0, seed: int = 0,
) -> Found:  # fmt: skip
    """Branch and bound below `cutoff`. `infeasible` with a cutoff says that nothing is better than the cutoff.

    With the mask `whole` only its columns are integer, and the answer is one of that relaxation. With `gap`, a solution is good
    enough (and called optimal) when it is within that share of `UNITS` units. Another `seed` is another order of the search.
    """
    started = time.perf_counter()
    found = highs.run(matrix.to_proto(unit, matrix.whole if whole is None else whole, cutoff), time_limit_s, True, gap, seed)
    elapsed = time.perf_counter() - started
    if found is None:
        return Found("unknown", None, -np.inf, elapsed)
    if found["status"] == "infeasible":
        return Found("infeasible", None, np.inf, elapsed)
    status = "unknown" if found["point"] is None else found["status"]
    return Found(status, found["point"], found["bound"] * unit, elapsed)


def answer(
    *, say: Callable[[dict[str, Any]], None], model: bytes, time_limit_s: float, whole: bool, gap: float = 0.0, seed: int = 0
) -> None:  # fmt: skip
    """Says what HiGHS found, in a helper's process: status, bound, point, duals. Says nothing when HiGHS gave up."""
    proto = model_pb2.ModelProto()
    proto.ParseFromString(model)
    options = highs_pb2.HighsOptionsProto()
    if whole:
        options.double_options["mip_rel_gap"] = 0.0
        options.double_options["mip_abs_gap"] = max(gap, MARGIN / 10) * UNITS
        if seed:
            # in another order, and without trying columns before branching on them: at times much faster, at times slower
            options.int_options["mip_pscost_minreliable"] = 0
            options.int_options["random_seed"] = seed
    params = mathopt.SolveParameters(time_limit=datetime.timedelta(seconds=time_limit_s), highs=options)
    posed = mathopt.Model.from_model_proto(proto)
    try:
        result = mathopt.solve(posed, mathopt.SolverType.HIGHS, params=params)
    except (ValueError, RuntimeError, AttributeError):
        return
    reason, point, duals = result.termination.reason, None, None
    if result.has_primal_feasible_solution():
        values = result.variable_values()
        point = np.fromiter((values[v] for v in posed.variables()), float)
    if not whole and result.has_dual_feasible_solution():
        prices = result.dual_values()
        duals = np.fromiter((prices[c] for c in posed.linear_constraints()), float)
    never = (mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED)
    status = "infeasible" if reason in never else "optimal" if reason == mathopt.TerminationReason.OPTIMAL else "feasible"
    say({"status": status, "bound": result.termination.objective_bounds.dual_bound, "point": point, "duals": duals})
