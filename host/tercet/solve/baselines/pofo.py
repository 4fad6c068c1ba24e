# SPDX-License-Identifier: Apache-2.0
"""POFO-style: a dynamic programme over a chain of segments, each begun by a kept or an offloaded activation.

After Beaumont, Eyraud-Dubois and Shilova, Efficient combination of rematerialization and offloading (2021), for the
order of the activations as a chain; inside a segment activations are all kept or all computed again. On graphs with
skips the chain is an approximation; the replay judges what comes out.
"""

from __future__ import annotations

import time
from typing import Any

from tercet.solve.baselines.walk import AGAIN, PAGE, candidates, outcome, possible, walk
from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.solution import Solution
from tercet.solve.stages import Stages, stages

LEVELS = 48


def pofo(problem: Problem, **_: Any) -> Solution:
    """The best schedule over a sweep of what the programme is told to save; raises InfeasibleError when none fits."""
    started = time.perf_counter()
    view = stages(problem)
    chain = candidates(view)
    best, least = None, None
    for level in range(LEVELS + 1):
        labels = _programme(problem, view, chain, level)
        schedule = walk(problem, labels, "pofo", view)
        judgement = replay(problem, schedule) if schedule else None
        if judgement and judgement.legal and (least is None or judgement.energy_pj < least):
            best, least = schedule, judgement.energy_pj
        elif best is None:
            best = best if schedule is None else None
    return outcome(problem, best or walk(problem, _programme(problem, view, chain, 0), "pofo", view), "pofo", started)


def _programme(problem: Problem, view: Stages, chain: list[int], level: int) -> dict[int, str]:
    """Labels that keep at most `level` of LEVELS parts of the chain's bytes, segments recomputed within the rest."""
    total = sum(view.values[p].nbytes for p in chain) or 1
    room = total * level / LEVELS
    part = max(room / LEVELS, 1.0)
    count = len(chain)
    # cost[j][m]: least energy of the first j activations with m parts kept; choice: (i, label of i, inside again?)
    cost = [[float("inf")] * (LEVELS + 1) for _ in range(count + 1)]
    choice: dict[tuple[int, int], tuple[int, int, str]] = {}
    cost[0][0] = 0.0
    for i in range(count):
        for m in range(LEVELS + 1):
            if cost[i][m] == float("inf"):
                continue
            _extend(problem, view, chain, (i, m), (part, total - room), cost, choice)
    end = min(range(LEVELS + 1), key=lambda m: cost[count][m])
    labels: dict[int, str] = {}
    j, m = count, end
    while j and (j, m) in choice:
        i, before, how = choice[j, m]
        if how == PAGE:
            labels[chain[i]] = PAGE
        labels |= {p: AGAIN for p in chain[i + 1 : j] if AGAIN in possible(view, p)}
        j, m = i, before
    return labels


def _extend(
    problem: Problem, view: Stages, chain: list[int], state: tuple[int, int], limits: tuple[float, float],
    cost: list[list[float]], choice: dict[tuple[int, int], tuple[int, int, str]],
) -> None:  # fmt: skip
    """Every segment that begins at activation i: [i, j), i kept or paged, the inside computed again."""
    (i, m), (part, inside_limit) = state, limits
    item, inside, again_pj = view.values[chain[i]].item, 0, 0.0
    starts = [(item.nbytes, 0.0, "keep")]
    if PAGE in possible(view, chain[i]):
        starts.append((0, item.in_pj + item.out_pj + problem.baseline_mw * (item.in_ns + item.out_ns), PAGE))
    for j in range(i + 1, len(chain) + 1):
        for nbytes, paid, how in starts:
            parts = m + -int(-nbytes // part)
            total = cost[i][m] + paid + again_pj
            if parts <= LEVELS and total < cost[j][parts]:
                cost[j][parts] = total
                choice[j, parts] = (i, m, how)
        if j == len(chain) or AGAIN not in possible(view, chain[j]):
            return
        op = problem.ops[view.values[chain[j]].producer]
        inside += view.values[chain[j]].nbytes
        again_pj += op.again_pj + problem.baseline_mw * op.again_ns
        if inside > inside_limit:
            return
