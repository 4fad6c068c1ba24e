# SPDX-License-Identifier: Apache-2.0
"""The exact strategy: what is solved, part by part, and under which named restrictions. How: `proof.py`."""

from __future__ import annotations

import threading
import time

from tercet.errors import InfeasibleError, TercetError
from tercet.solve import coarse, proof
from tercet.solve.problem import EXACT, Problem, with_gradients_in_ram
from tercet.solve.race import Race
from tercet.solve.schedule import Schedule
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import Stages, stages

ONCE = "a node runs at most once between two first executions"
LATE = "nothing runs again before the loss"
STAY = "no gradient leaves RAM or is computed again before its last use"
WAITS = "what frees no memory runs again only between the two first executions between which it is read"
# The share of the time in which a problem of more columns than CP-SAT is for is solved with that restriction first.
AHEAD = 0.8
# About so many columns an execution that is possible.
COLUMNS_AN_EVENT = 5


def exact(
    problem: Problem, *, time_limit_s: float = 60.0, workers: int = 2, stop: threading.Event | None = None,
    forward_reruns: bool = True, rerun: bool = True, paging: bool = True, gradients_stay: bool = False, waits: bool = False,
    hint: Schedule | None = None,
) -> Solution:  # fmt: skip
    """The schedule of least energy within the problem's budgets, with its proof or its bound.

    Without `forward_reruns`, `rerun` or `paging`, or with `gradients_stay` or `waits`, the problem is restricted, and the bound
    holds for that. Raises InfeasibleError when there is no schedule, TercetError when none was found in time.
    """
    started = time.perf_counter()
    posed = with_gradients_in_ram(problem) if gradients_stay else problem
    rough = coarse.coarse(posed) if problem.semantics == EXACT else None
    names = (ONCE,) * rerun + (LATE,) * (rerun and not forward_reruns) + (STAY,) * gradients_stay
    names += (WAITS,) * (rerun and waits) + ("nothing runs again",) * (not rerun) + ("nothing is paged",) * (not paging)
    names += (coarse.ROUGHLY,) * (rough is not None)

    def race(part: Problem, waiting: bool, share: float, before: Race | None) -> Race:
        """What a part of the way finds; it begins with what the part before found."""
        view = stages(part, forward_reruns=forward_reruns, rerun=rerun, waits=waiting)
        begun = Race(
            part, view, started + share * time_limit_s, workers, stop, names, started, bound_pj=problem.keep_all_pj,
            options={"paging": paging, "rerun": rerun}, whole=None if part is posed else posed,
        )  # fmt: skip
        known = before.best if before is not None else hint
        if known is not None:
            (begun.take if begun.whole else begun.offer)(known)
        if before is not None:
            begun.first_s = before.first_s
            # what was bounded without a restriction that this part has not either is bounded
            begun.bound_pj = before.bound_pj if before.view.waits == waiting else begun.bound_pj
        try:
            proof.run(begun, time_limit_s)
        except InfeasibleError:
            if waiting == waits:
                raise
        return begun

    parts = [(posed, waits, 1.0)] if rough is None else [(rough, waits, 1.0), (posed, waits, 1.0)]
    if problem.semantics == EXACT and rerun and not waits and _is_large(stages(parts[0][0], forward_reruns=forward_reruns)):
        parts.insert(0, (parts[0][0], True, AHEAD))
    found: Race | None = None
    for part, waiting, share in parts:
        found = race(part, waiting, share, found)
        proved = found.proved and waiting == waits
        if proved or time.perf_counter() >= started + time_limit_s or (stop is not None and stop.is_set()):
            break
    assert found is not None
    if found.best is None:
        raise TercetError(f"no schedule found within {time_limit_s:g} s", hint="raise --time-limit")
    bound_pj = int(found.bound_pj) if waiting == waits else problem.keep_all_pj
    return judged(
        problem, Schedule(found.best.actions, "exact", inputs=dict(problem.inputs)), bound_pj=bound_pj,
        solve_s=time.perf_counter() - started, optimal=proved, restrictions=names, first_s=found.first_s,
    )  # fmt: skip


def _is_large(view: Stages) -> bool:
    """Whether there will be more columns than CP-SAT is for; building them would delay the first schedule."""
    return COLUMNS_AN_EVENT * sum(map(len, view.events)) > proof.SMALL_COLUMNS
