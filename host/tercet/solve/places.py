# SPDX-License-Identifier: Apache-2.0
"""Every place of the large weights: each choice is bounded by its LP relaxation, those that may be better are solved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from tercet.errors import InfeasibleError, TercetError
from tercet.solve import compact, cpsat, homes, mip
from tercet.solve.problem import Problem
from tercet.solve.solution import HOMES, Solution
from tercet.solve.stages import stages

# Weights below this share of RAM stay in RAM: their transfers cost more than their bytes are worth.
SMALL_SHARE = 0.01
SMALL = f"weights smaller than {SMALL_SHARE:.0%} of RAM live there"
# More weights, or more columns, are too many choices to bound each.
MOST_WEIGHTS, MOST_COLUMNS = 8, 2000
# Seconds in which a choice may be ruled out before it is solved.
LOOK_S = 5.0
Choice = tuple[str, ...]


def best(
    problem: Problem, time_limit_s: float, run: Callable[[Problem, float], Solution], stop: threading.Event | None = None
) -> Solution:  # fmt: skip
    """The best that `run(problem, seconds)` finds for any choice of the large weights that live on the card.

    Problems with a deadline, overlapping transfers, a card's capacity or too many choices are left to `homes.best`.
    """
    started = time.perf_counter()
    ends = started + time_limit_s
    choices = choices_of(problem) if few(problem) else []
    found = homes.best(problem, time_limit_s / (2 if choices else 1), run)
    proved, bound_j = found.status == "optimal", found.bound_j if found.bound_j is not None else 0.0
    for bound_pj, choice in _ranked(problem, choices, ends, stop):
        if bound_pj >= found.objective_j * 1e12:
            break
        if time.perf_counter() > ends or (stop and stop.is_set()):
            return found
        placed = homes.placed(problem, choice)
        if _nothing_below(placed, round(found.objective_j * 1e12), ends - time.perf_counter(), stop):
            continue
        try:
            other = run(placed, max(0.1, ends - time.perf_counter()))
        except InfeasibleError:
            continue
        except TercetError:
            proved = False
            continue
        proved = proved and other.status == "optimal"
        bound_j = min(bound_j, other.bound_j if other.bound_j is not None else 0.0)
        if other.objective_j < found.objective_j:
            found = other
    if not choices or not proved or time.perf_counter() > ends or (stop and stop.is_set()):
        return found
    names = (*(name for name in found.restrictions if name != HOMES), SMALL)
    elapsed = round(time.perf_counter() - started, 6)
    proof: dict[str, Any] = {"bound_j": min(bound_j, found.objective_j), "restrictions": names, "solve_s": elapsed}
    schedule = replace(found.schedule, meta={**found.schedule.meta, **proof, "restrictions": list(names)})
    return replace(found, schedule=schedule, **proof)


def few(problem: Problem) -> bool:
    """Whether there are choices, and few enough to bound each."""
    choices = choices_of(problem)
    return bool(choices) and len(compact.build(stages(problem), homes=True).rows.names) <= MOST_COLUMNS


def _nothing_below(problem: Problem, target_pj: int, left_s: float, stop: threading.Event | None) -> bool:
    """Whether every schedule of these places costs the target or more; false also where that is not known in time."""
    rows = compact.build(stages(problem), limit=max(target_pj - problem.keep_all_pj, 0)).rows
    rows.row([(column, cost) for column, cost in enumerate(rows.cost) if cost], high=target_pj - 1 - rows.offset)
    answer = cpsat.solve_rows(rows, time_limit_s=max(0.1, min(LOOK_S, left_s)), stop=stop)
    return answer.status == "infeasible"


def choices_of(problem: Problem) -> list[Choice]:
    """Every set of large weights that may live on the card; none where there are too many."""
    plain = not problem.overlap and problem.deadline_ns is None and problem.card_bytes is None
    if problem.ram_bytes is None or not plain:
        return []
    least = SMALL_SHARE * problem.ram_bytes
    movable = [item for item in problem.items.values() if item.movable and item.persistent and not item.on_card]
    large = [item.name for item in movable if item.nbytes >= least]
    if not large or len(large) > MOST_WEIGHTS:
        return []
    return [choice for count in range(len(large) + 1) for choice in combinations(large, count)]


def _ranked(
    problem: Problem, choices: list[Choice], ends: float, stop: threading.Event | None
) -> list[tuple[float, Choice]]:  # fmt: skip
    """(lower bound in picojoules, choice), the least first; what no LP allows is left out."""
    if not choices:
        return []
    built = compact.build(stages(problem), homes=True)
    matrix, highs, ranked = mip.Matrix(built.rows), mip.Highs(stop), []
    unit = max(*built.rows.cost, 1) * 10 / mip.UNITS
    try:
        for choice in choices:
            if stop and stop.is_set():
                break
            for name, column in built.home.items():
                matrix.low[column] = matrix.high[column] = float(name in choice)
            bound = _bound(matrix, unit, highs, ends - time.perf_counter())
            if bound is not None:
                ranked.append((bound + built.rows.offset, choice))
    finally:
        highs.helper.close()
    return sorted(ranked)


def _bound(matrix: mip.Matrix, unit: float, highs: mip.Highs, left_s: float) -> float | None:
    """The safe bound of the LP; minus infinity where there was no answer, None where it has no solution."""
    found = highs.run(matrix.to_proto(unit, None, None), left_s, False) if left_s > 0 else None
    if found is not None and found["status"] == "infeasible":
        return None
    if found is None or found["duals"] is None:
        return -np.inf
    return mip.safe_bound(matrix, unit, found["duals"])[0] * unit
