# SPDX-License-Identifier: Apache-2.0
"""Where weights and state live between steps: in RAM, which they then never leave, or on the card."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from tercet.errors import TercetError
from tercet.solve.problem import Item, Problem
from tercet.solve.replay import replay
from tercet.solve.search import search
from tercet.solve.solution import HOMES, Solution

# So often every place is called into question.
PASSES = 2


def best(
    problem: Problem, time_limit_s: float, run: Callable[[Problem, float], Solution], options: Sequence[Problem] = ()
) -> Solution:  # fmt: skip
    """The best that `run(problem, seconds)` finds, whichever of the options it is for, by default the candidates.

    Raises what `run` raised when it found nothing for any.
    """
    ends, found, failure = time.perf_counter() + time_limit_s, None, None
    options = options or candidates(problem)
    for index, option in enumerate(options):
        try:
            solution = run(option, max(0.1, ends - time.perf_counter()) / (len(options) - index))
        except TercetError as error:
            failure = failure or error
            continue
        if found is None or solution.objective_j < found.objective_j:
            found = solution
    if found is None:
        assert failure is not None
        raise failure
    named = len(options) == 1 or HOMES in found.restrictions
    return found if named else replace(found, restrictions=(*found.restrictions, HOMES))


def candidates(problem: Problem) -> list[Problem]:
    """The problem with a place for everything that is movable, in one or two ways: all in RAM, if a schedule fits then and costs
    more than one that keeps everything; and some on the card, as local search places them. Where nothing fits, all are there.

    From all on the card, one after the other moves to RAM, the most transfers saved per byte first, as long as the schedule gets
    no worse. Then, from the better of the two, each place is changed that makes it better.
    """
    movable = [item for item in problem.items.values() if item.movable and item.persistent and not item.on_card]
    in_ram = _score(problem) if movable else None
    if problem.ram_bytes is None or not movable or (in_ram is not None and in_ram <= problem.keep_all_pj):
        return [problem]
    movable.sort(key=lambda item: (-_saved_per_byte(problem, item), item.name))
    on_card, least = _moved_in(problem, [item.name for item in movable])
    if in_ram is not None and (least is None or in_ram <= least):
        on_card, least = frozenset(), in_ram
    for _ in range(PASSES):
        before = least
        for item in movable:
            other = on_card ^ {item.name}
            score = _score(placed(problem, other))
            if score is not None and least is not None and score < least:
                on_card, least = other, score
        if least == before:
            break
    options = [placed(problem, on_card)] if on_card else []
    return [*options, problem] if in_ram is not None else options


def _moved_in(problem: Problem, names: Sequence[str]) -> tuple[frozenset[str], int | None]:
    """What stays on the card when, from all of `names` on, one after the other moves to RAM, and the energy of the schedule."""
    on_card = frozenset(names)
    least = _score(placed(problem, on_card))
    if least is not None:
        for name in names:
            score = _score(placed(problem, on_card - {name}))
            if score is not None and score <= least:
                on_card, least = on_card - {name}, score
    return on_card, least


def placed(problem: Problem, on_card: Collection[str]) -> Problem:
    """The problem in which these weights and states live on the card between steps."""
    items = {
        name: replace(item, on_card=True, pageable=True) if name in on_card else item for name, item in problem.items.items()
    }
    return replace(problem, items=items)


def _score(problem: Problem) -> int | None:
    """The energy of the first schedule that local search finds, in picojoules; None when it finds none."""
    # places follow from RAM: a deadline that local search misses is for the solver to meet
    timeless = replace(problem, deadline_ns=None)
    found = search(timeless, time_limit_s=0.0)
    return None if found is None else replay(timeless, found).energy_pj


def _saved_per_byte(problem: Problem, item: Item) -> float:
    """What a transfer of the tensor costs, per byte that it would hold in RAM throughout."""
    spent = item.in_pj + item.out_pj + problem.baseline_mw * (item.in_ns + item.out_ns + item.in_cpu_ns + item.out_cpu_ns)
    return spent / max(item.nbytes, 1)
