# SPDX-License-Identifier: Apache-2.0
"""Which large weights live on the card: choices ranked by a relaxation in which nothing else is paged, the first ones solved.

The relaxation with everything in it ranks badly: it pays for a tenth of a transfer where a tenth of a tensor is in the way,
and so takes paged activations for cheap. What a choice of places is for is to keep all else off the card. So activations are
not paged in the relaxation, nothing runs again before the loss, gradients stay: it has few columns, and many choices none of
its solutions. Activations are multiples of few sizes, so choices that leave room for the same sets of them form a class; where
the one that leaves most has no solution the others have none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tercet.errors import TercetError
from tercet.solve import coarse, compact, cpsat, homes, knapsack, mip, places
from tercet.solve.problem import EXACT, Problem, with_gradients_in_ram
from tercet.solve.proof import SMALL_COLUMNS
from tercet.solve.solution import HOMES, Solution
from tercet.solve.stages import stages

Choice = places.Choice
# The share of the time in which choices are ranked, and in which the first of them are compared.
RANKING, SOLVING = 0.2, 0.6
# A choice is better where it costs this share of the best one's, or less; seconds in which to find out.
WORTH, LOOK_S = 1 - 1e-5, 5.0


def best(
    problem: Problem, time_limit_s: float, run: Callable[[Problem, float], Solution], stop: threading.Event | None = None
) -> Solution:  # fmt: skip
    """The best that `run(problem, seconds)` finds for the choices of large weights on the card that look best.

    Where choices cannot be ranked (`places.choices_of`), or none has a schedule, what local search places is solved.
    """
    started = time.perf_counter()
    ends = started + time_limit_s
    usual = homes.candidates(problem)
    choices: list[Choice] = []
    if usual != [problem]:
        choices = ranked(problem, time.perf_counter() + RANKING * time_limit_s, stop)
    if choices:
        picks = [tuple(item.name for item in placed.items.values() if item.on_card) for placed in usual]
        chosen = _chosen(problem, choices, picks, started + SOLVING * time_limit_s, stop)
        with suppress(TercetError):
            options = [homes.placed(problem, choice) for choice in chosen]
            found = homes.best(problem, max(0.1, ends - time.perf_counter()), run, options)
            return found if HOMES in found.restrictions else replace(found, restrictions=(*found.restrictions, HOMES))
    return homes.best(problem, max(0.1, ends - time.perf_counter()), run, usual)


def _chosen(
    problem: Problem, choices: list[Choice], picks: list[Choice], ends: float, stop: threading.Event | None
) -> list[Choice]:  # fmt: skip
    """The choice with the best schedule of the ranked ones and the picks of local search, as far as there is time to compare.

    Where the rows are many, the first one, and those picks that the relaxation does not allow and so cannot tell from it.
    """
    best, least = choices[0], 0
    for choice in dict.fromkeys((*picks, *choices)):
        left_s = ends - time.perf_counter()
        if left_s <= 0 or (stop is not None and stop.is_set()):
            break
        placed = homes.placed(problem, choice)
        limit = int(least * WORTH) - problem.keep_all_pj if least else 1 << 62
        rows = compact.build(stages(coarse.coarse(placed) or placed), limit=limit).rows
        if len(rows.names) > SMALL_COLUMNS:
            return [best, *(pick for pick in picks if _relaxed(problem, pick, left_s, stop) is None)]
        if least:
            rows.row([(column, cost) for column, cost in enumerate(rows.cost) if cost], high=int(least * WORTH) - rows.offset)
        answer = cpsat.solve_rows(rows, time_limit_s=min(LOOK_S, left_s), stop=stop)
        if answer.objective is not None:
            best, least = choice, answer.objective
    return [best]


def _relaxed(problem: Problem, choice: Choice, left_s: float, stop: threading.Event | None) -> float | None:
    highs = mip.Highs(stop)
    try:
        return _bound(problem, choice, highs, left_s)
    finally:
        highs.helper.close()


def ranked(problem: Problem, ends: float, stop: threading.Event | None = None) -> list[Choice]:
    """The choices whose relaxation has a solution, the least first, as many as there is time for."""
    classes: dict[int, list[Choice]] = {}
    for choice in sorted(places.choices_of(problem), key=lambda choice: (_spent(problem, choice), choice)):
        classes.setdefault(_room(problem, choice), []).append(choice)
    if not classes or problem.semantics != EXACT:
        return []
    highs, bounds = mip.Highs(stop), dict[Choice, float]()

    def bound(choice: Choice) -> bool:
        """Whether the relaxation has a solution, as far as can be told in time."""
        stopped = stop is not None and stop.is_set()
        # what its transfers cost bounds it, too
        least = problem.keep_all_pj + _spent(problem, choice)
        if choice in bounds or stopped or time.perf_counter() > ends or least >= min(bounds.values(), default=1 << 62):
            return choice in bounds
        found = _bound(problem, choice, highs, ends - time.perf_counter())
        if found is not None:
            bounds[choice] = found
        return found is not None

    try:
        for members in classes.values():
            # where the most room is too little, so is less
            for choice in sorted(members, key=lambda choice: -sum(problem.items[name].nbytes for name in choice)):
                if not bound(choice):
                    break
    finally:
        highs.helper.close()
    return sorted(bounds, key=lambda choice: (bounds[choice], choice))


def _bound(problem: Problem, choice: Choice, highs: mip.Highs, left_s: float) -> float | None:
    """The relaxation of a choice in picojoules; None where it has no solution, or none in time."""
    placed = with_gradients_in_ram(homes.placed(problem, choice))
    items = {name: item if item.on_card else replace(item, pageable=False) for name, item in placed.items.items()}
    placed = replace(placed, items=items)
    built = compact.build(stages(coarse.coarse(placed) or placed, forward_reruns=False))
    unit = max(*built.rows.cost, 1) * 10 / mip.UNITS
    relaxed = mip.relax(mip.Matrix(built.rows), unit, highs, time_limit_s=left_s)
    return None if relaxed is None else relaxed.bound + built.rows.offset


def _room(problem: Problem, choice: Choice) -> int:
    """The bytes beside the weights in RAM that activations can fill."""
    live = [item for item in problem.items.values() if item.persistent and item.name not in choice]
    room = (problem.ram_bytes or 0) - sum(item.nbytes for item in live)
    sizes = [i.nbytes for i in problem.items.values() if not i.persistent and i.nbytes >= places.SMALL_SHARE * room]
    return knapsack.fullest(tuple(sorted(sizes)), room) if room > 0 and sizes else 0


def _spent(problem: Problem, choice: Choice) -> float:
    """What a choice costs at least: each weight comes once and goes home once, in picojoules."""
    spent = 0.0
    for item in (problem.items[name] for name in choice):
        spent += item.in_pj + item.out_pj
        spent += problem.baseline_mw * (item.in_ns + item.out_ns + item.in_cpu_ns + item.out_cpu_ns)
    return spent
