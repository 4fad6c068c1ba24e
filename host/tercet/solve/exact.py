# SPDX-License-Identifier: Apache-2.0
"""The exact strategy: compact rows, proved by CP-SAT."""

from __future__ import annotations

import threading

from tercet.errors import InfeasibleError, TercetError
from tercet.solve import compact, cpsat
from tercet.solve.problem import Problem
from tercet.solve.schedule import Schedule
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import stages
from tercet.solve.tidy import tidy

RESTRICTIONS = ("a node runs at most once a stage",)


def exact(
    problem: Problem, *, time_limit_s: float = 60.0, workers: int = 2, hint: Schedule | None = None,
    stop: threading.Event | None = None,
) -> Solution:  # fmt: skip
    """The schedule of least energy within the problem's budgets, with its proof or its bound.

    Raises InfeasibleError when there is none, TercetError when none was found in time.
    """
    built = compact.build(stages(problem), "energy")
    answer = cpsat.solve_rows(built.rows, time_limit_s=time_limit_s, workers=workers, stop=stop)
    if answer.status == "infeasible":
        raise InfeasibleError("no schedule meets the budgets")
    if answer.values is None:
        raise TercetError(f"no schedule found within {time_limit_s:g} s", hint="raise --time-limit")
    schedule = tidy(problem, compact.decode(built, answer.values, "exact"))
    return judged(
        problem, schedule, bound_pj=answer.bound, solve_s=answer.solve_s, optimal=answer.status == "optimal",
        restrictions=RESTRICTIONS,
    )  # fmt: skip


def extreme(problem: Problem, objective: str, *, time_limit_s: float = 30.0, workers: int = 2) -> Solution:
    """The schedule of least `time` or `ram` within the problem's other budgets; its `bound_j` is not set.

    Raises InfeasibleError when there is none.
    """
    built = compact.build(stages(problem), objective)
    answer = cpsat.solve_rows(built.rows, time_limit_s=time_limit_s, workers=workers)
    if answer.values is None:
        raise InfeasibleError("no schedule meets the budgets")
    schedule = tidy(problem, compact.decode(built, answer.values, f"least {objective}"))
    return judged(problem, schedule, bound_pj=None, solve_s=answer.solve_s, restrictions=RESTRICTIONS)
