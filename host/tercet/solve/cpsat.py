# SPDX-License-Identifier: Apache-2.0
"""Rows solved by CP-SAT: exact integer arithmetic, so what it proves holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from tercet.solve.rows import INFINITY, Rows


@dataclass(frozen=True)
class Answer:
    """What a solver says about rows: `optimal`, `feasible`, `infeasible` or `unknown`; objective and bound include the offset."""

    status: str
    values: Sequence[int] | None
    objective: int | None
    bound: int | None
    solve_s: float


_STATUS: dict[Any, str] = {cp_model.OPTIMAL: "optimal", cp_model.FEASIBLE: "feasible", cp_model.INFEASIBLE: "infeasible"}


def solve_rows(
    rows: Rows, *, time_limit_s: float = 60.0, workers: int = 2, hint: Sequence[int] | None = None,
    stop: threading.Event | None = None,
) -> Answer:  # fmt: skip
    """The best solution that CP-SAT finds within the limit. `stop` ends the search early; what was found is returned."""
    started = time.perf_counter()
    model, variables = _model(rows)
    if hint is not None:
        for variable, value in zip(variables, hint, strict=True):
            model.add_hint(variable, int(value))
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # Ctrl-C is the command's
    solver.parameters.max_time_in_seconds = max(0.01, time_limit_s)
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 7
    solver.parameters.catch_sigint_signal = False
    status = _in_thread(solver, model, stop, time_limit_s)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    values = [solver.value(variable) for variable in variables] if found else None
    objective = rows.offset + sum(c * v for c, v in zip(rows.cost, values, strict=True)) if values is not None else None
    bound = None if status == cp_model.INFEASIBLE else rows.offset + int(np.ceil(solver.best_objective_bound - 1e-6))
    return Answer(_STATUS.get(status, "unknown"), values, objective, bound, time.perf_counter() - started)


def _model(rows: Rows) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    model = cp_model.CpModel()
    variables = [model.new_int_var(low, high, "") for low, high in zip(rows.low, rows.high, strict=True)]
    for terms, low, high in zip(rows.row_terms, rows.row_low, rows.row_high, strict=True):
        expression = cp_model.LinearExpr.weighted_sum([variables[c] for c, _ in terms], [a for _, a in terms])
        model.add_linear_constraint(expression, max(low, -INFINITY), min(high, INFINITY))
    model.minimize(cp_model.LinearExpr.weighted_sum(variables, rows.cost))
    return model, variables


def _in_thread(
    solver: cp_model.CpSolver, model: cp_model.CpModel, stop: threading.Event | None, time_limit_s: float
) -> Any:
    """The solver's status; the search runs in a thread of its own, so that Ctrl-C and `stop` are seen at once."""
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(solver.solve(model)), daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            if stop is not None and stop.is_set():
                solver.stop_search()
            thread.join(0.02)
    except KeyboardInterrupt:
        solver.stop_search()
        thread.join(time_limit_s)
        raise
    return answer[0] if answer else cp_model.UNKNOWN
