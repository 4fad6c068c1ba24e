# SPDX-License-Identifier: Apache-2.0
"""Moccasin-style: retention intervals in CP-SAT, at most two executions a node, no card.

After Bartan, Li, Teague, Lott and Dilkina, Moccasin: efficient tensor rematerialization for neural networks (2023).
Event (k, i) has the number k * n + i; an interval says from which event to which a value is in RAM.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ortools.sat.python import cp_model

from tercet.errors import InfeasibleError, TercetError
from tercet.solve.problem import Problem
from tercet.solve.schedule import Action, Compute, Free, Recompute, Schedule, Update
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import Stages, stages
from tercet.solve.tidy import tidy

NAMES = ("nothing is paged", "a node runs at most twice", "no operator works in place")


def moccasin(
    problem: Problem, *, time_limit_s: float = 60.0, workers: int = 2, stop: threading.Event | None = None, **_: Any
) -> Solution:
    """The best schedule of the interval model and its bound; raises TercetError for graphs with in-place operators."""
    started = time.perf_counter()
    view = stages(problem)
    if any(op.inplace for op in problem.ops):
        raise TercetError("the interval model knows no operators that work in place", hint="--strategy remat-only")
    if any(item.on_card for item in problem.items.values()):
        raise TercetError("the interval model knows no weights that live on the card", hint="--strategy page-only")
    model, copies = _model(view)
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # Ctrl-C is the command's
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = workers
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        raise InfeasibleError("no schedule with two executions a node meets the budgets")
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise TercetError(f"no schedule found within {time_limit_s:g} s", hint="raise --time-limit")
    schedule = tidy(problem, _decode(view, copies, solver))
    bound = problem.keep_all_pj + int(solver.best_objective_bound)
    return judged(
        problem, schedule, bound_pj=bound, solve_s=time.perf_counter() - started,
        optimal=status == cp_model.OPTIMAL, restrictions=NAMES,
    )  # fmt: skip


def _model(view: Stages) -> tuple[cp_model.CpModel, dict]:
    """Intervals of every value; reads are covered; the sum of sizes stays in the budget."""
    problem, count = view.problem, len(view.problem.ops)
    model = cp_model.CpModel()
    last = count * count - 1
    copies: dict[int, list[tuple]] = {}
    intervals, sizes = [], []
    budget = problem.ram_bytes if problem.ram_bytes is not None else 1 << 50
    cost = []
    for value in view.values:
        if value.producer < 0:
            budget -= value.nbytes
            continue
        i = value.producer
        end = model.new_int_var(i * count + i, last, "")
        span = model.new_interval_var(i * count + i, end - (i * count + i) + 1, end + 1, "")
        copies[i] = [(None, i * count + i, end)]
        intervals.append(span)
        sizes.append(value.nbytes)
        if value.final:
            model.add(end == last)
        if view.last_rerun[i] > i:
            interval, copy = _second(view, model, i, end)
            intervals.append(interval)
            sizes.append(value.nbytes)
            copies[i].append(copy)
            op = problem.ops[i]
            cost.append(copy[0] * (op.again_pj + round(problem.baseline_mw * op.again_ns)))
    model.add_cumulative(intervals, sizes, budget)
    _cover(view, model, copies)
    if problem.deadline_ns is not None:
        spent = [copies[i][1][0] * problem.ops[i].again_ns for i in copies if len(copies[i]) > 1]
        model.add(sum(spent) <= problem.deadline_ns - problem.first_ns)
    model.minimize(sum(cost))
    return model, copies


def _second(view: Stages, model: cp_model.CpModel, node: int, end: cp_model.IntVar) -> tuple[cp_model.IntervalVar, tuple]:
    """The interval of a value that its node writes a second time, after `end`, and (whether it does, start, end)."""
    count = len(view.problem.ops)
    last = count * count - 1
    active = model.new_bool_var("")
    stages_again = range(node + 1, view.last_rerun[node] + 1)
    stage = model.new_int_var_from_domain(cp_model.Domain.from_values(list(stages_again)), "")
    start = model.new_int_var(0, last, "")
    model.add(start == stage * count + node)
    second_end = model.new_int_var(0, last, "")
    model.add(second_end >= start)
    model.add(start > end).only_enforce_if(active)
    length = model.new_int_var(1, last + 1, "")
    interval = model.new_optional_interval_var(start, length, second_end + 1, active, "")
    return interval, (active, start, second_end)


def _cover(view: Stages, model: cp_model.CpModel, copies: dict) -> None:
    """Every execution finds each value that it reads in one of the value's intervals."""
    for node, runs in copies.items():
        for position in view.reads[node]:
            source = view.values[position].producer
            if source < 0:
                continue
            for active, start, _ in runs:
                covers = []
                for other, low, high in copies[source]:
                    covered = model.new_bool_var("")
                    model.add(low <= start).only_enforce_if(covered)
                    model.add(high >= start).only_enforce_if(covered)
                    if other is not None:
                        model.add_implication(covered, other)
                    covers.append(covered)
                model.add_bool_or([*covers, *([active.negated()] if active is not None else [])])


def _decode(view: Stages, copies: dict, solver: cp_model.CpSolver) -> Schedule:
    """Executions in the order of their events; each value is freed when its interval ends."""
    problem, found = view.problem, []
    for node, runs in copies.items():
        for index, (active, start, end) in enumerate(runs):
            if active is None or solver.value(active):
                begin = start if isinstance(start, int) else solver.value(start)
                found.append((begin, 1, node, index))
                found.append((solver.value(end), 2, node, index))
    actions: list[Action] = []
    for _, what, node, index in sorted(found):
        op = problem.ops[node]
        if what == 1:
            actions.append(Recompute(op.name) if index else Update(op.name) if op.mutates else Compute(op.name))
        elif not view.values[view.writes[node][0]].final:
            actions.append(Free(op.outputs[0]))
    return Schedule(tuple(actions), "moccasin", inputs=dict(problem.inputs))
