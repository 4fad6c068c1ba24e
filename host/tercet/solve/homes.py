# SPDX-License-Identifier: Apache-2.0
"""Where weights and state live between steps: in RAM, which they then never leave, or on the card."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tercet.solve.problem import Item, Problem
from tercet.solve.replay import replay
from tercet.solve.search import search


def settle(problem: Problem) -> Problem:
    """The problem with a place for everything that is movable: RAM, if a schedule fits then; else what fits stays there.

    From all on the card, one after the other moves to RAM, the most transfers saved per byte first, and stays where the
    schedule that local search finds is better with it. Where nothing fits, all are on the card.
    """
    movable = [item for item in problem.items.values() if item.movable and item.persistent and not item.on_card]
    if problem.ram_bytes is None or not movable or _score(problem) is not None:
        return problem
    on_card = {item.name for item in movable}
    best = _score(placed(problem, on_card))
    if best is None:
        return placed(problem, on_card)
    for item in sorted(movable, key=lambda item: (-_saved_per_byte(problem, item), item.name)):
        score = _score(placed(problem, on_card - {item.name}))
        if score is not None and score <= best:
            on_card.discard(item.name)
            best = score
    return placed(problem, on_card)


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
