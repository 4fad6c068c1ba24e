# SPDX-License-Identifier: Apache-2.0
"""Schedules from one label a value: keep it, page it, or run its producer again, once its last forward use is over."""

from __future__ import annotations

import time

from tercet.errors import InfeasibleError
from tercet.solve.policy import Policy, StuckError, _drop, _evict, _execute, _restore, _Run, begin, go_home, uses
from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import Stages, stages
from tercet.solve.tidy import tidy

KEEP, PAGE, AGAIN = "keep", "page", "again"


def turn(problem: Problem) -> int:
    """The position of the first node after the forward phase (the middle, if no node says so)."""
    phases = [op.phase for op in problem.ops]
    return next((k for k, phase in enumerate(phases) if phase not in ("input", "forward")), len(phases))


def candidates(view: Stages) -> list[int]:
    """Values of the forward phase that are read after it: the ones worth a label."""
    middle = turn(view.problem)
    return [v.position for v in view.values if -1 < v.producer < middle and any(r >= middle for r in v.readers)]


def possible(view: Stages, position: int) -> list[str]:
    """The labels that a value may carry."""
    value = view.values[position]
    again = value.producer >= 0 and view.problem.ops[value.producer].again
    return [KEEP, *([PAGE] if value.item.pageable else []), *([AGAIN] if again else [])]


def walk(problem: Problem, labels: dict[int, str], strategy: str, view: Stages | None = None) -> Schedule | None:
    """The schedule in which labelled values leave RAM after their last forward use; None when it cannot be carried out.

    A value that came back stays until its last use. The RAM budget is not looked at.
    """
    view = view or stages(problem)
    next_use, count, middle = uses(view), len(problem.ops), turn(problem)
    page = [labels.get(v.position) == PAGE for v in view.values]
    run = _Run(view, Policy(page, [1.0] * len(page)), 1 << 60)
    begin(run)
    try:
        for k in range(count):
            run.now = k
            _execute(run, k, next_use, frozenset(), 0)
            for position in sorted(run.live):
                use = next_use[position][k + 1]
                if view.values[position].item.on_card and use > count:
                    go_home(run, position)
                elif not view.values[position].final and use > count:
                    _drop(run, position)
                elif k < middle - 1 and use >= middle and labels.get(position, KEEP) != KEEP:
                    _evict(run, position, next_use)
        for value in view.values:
            if value.final and value.position not in run.live and not value.item.on_card:
                _restore(run, value.position, next_use, frozenset(), 0)
    except StuckError:
        return None
    return tidy(problem, Schedule(tuple(run.actions), strategy, inputs=dict(problem.inputs)))


def outcome(problem: Problem, schedule: Schedule | None, strategy: str, started: float) -> Solution:
    """The judged solution; raises InfeasibleError that says which budget the strategy breaks."""
    judgement = replay(problem, schedule) if schedule else None
    if schedule is None or judgement is None or not judgement.legal:
        reason = judgement.reason if judgement else "it cannot be carried out"
        smallest = {"ram_bytes": float(judgement.peak_bytes)} if judgement else {}
        raise InfeasibleError(
            f"{strategy} does not meet the budgets: {reason}", hint="--strategy exact", smallest=smallest
        )
    return judged(
        problem, schedule, bound_pj=None, solve_s=time.perf_counter() - started, restrictions=(f"a fixed rule: {strategy}",)
    )
