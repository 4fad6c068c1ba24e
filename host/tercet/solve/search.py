# SPDX-License-Identifier: Apache-2.0
"""Local search over policies: flip a tensor's way back, or how dear its eviction looks; the replay has the last word."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from tercet.solve.policy import Policy, StuckError, simulate, uses
from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule
from tercet.solve.stages import Stages, stages
from tercet.solve.tidy import tidy


def search(
    problem: Problem, *, time_limit_s: float, seed: int = 1, paging: bool = True, rerun: bool = True,
    guides: Sequence[Policy] = (), stop: threading.Event | None = None,
) -> Schedule | None:  # fmt: skip
    """The best schedule that local search over policies finds, or None when no policy fits.

    `guides` are policies to begin with, such as one read off an LP's optimum.
    """
    started = time.perf_counter()
    view = stages(problem)
    next_use = uses(view)
    rng = random.Random(seed)
    best: tuple[float, Schedule] | None = None
    best_policy: Policy | None = None

    def attempt(policy: Policy) -> bool:
        nonlocal best, best_policy
        try:
            run = simulate(view, policy, next_use)
        except StuckError:
            return False
        score = run.energy + problem.baseline_mw * run.time
        if problem.deadline_ns is not None and run.time > problem.deadline_ns:
            return False
        if best is None or score <= best[0]:
            if best is None or score < best[0]:
                schedule = Schedule(tuple(run.actions), "search", inputs=dict(problem.inputs))
                if not replay(problem, schedule).legal:
                    return False
                best = (score, schedule)
            best_policy = policy
            return True
        return False

    for policy in (*guides, *_starts(view, paging, rerun)):
        attempt(policy)
        if best and time.perf_counter() - started > time_limit_s:
            break
    while best_policy is not None and time.perf_counter() - started < time_limit_s and not (stop and stop.is_set()):
        attempt(_neighbour(view, best_policy, rng, paging, rerun))
    return tidy(problem, best[1]) if best else None


def _starts(view: Stages, paging: bool, rerun: bool) -> list[Policy]:
    """The policies that the search begins with: everything by the card, the cheaper way back, everything again."""
    problem = view.problem
    even = [1.0] * len(view.values)
    again = [v.producer >= 0 and problem.ops[v.producer].again for v in view.values]
    card = [v.item.pageable and paging for v in view.values]

    def cheaper(position: int) -> bool:
        value = view.values[position]
        if not card[position] or not again[position]:
            return card[position]
        op, item, base = problem.ops[value.producer], value.item, problem.baseline_mw
        return item.in_pj + item.out_pj + base * (item.in_ns + item.out_ns) < op.again_pj + base * op.again_ns

    policies = []
    if paging and rerun:
        policies.append(Policy([cheaper(p) for p in range(len(even))], even[:], paging, rerun))
    if paging:
        policies.append(Policy(card[:], even[:], paging, rerun))
    if rerun:
        policies.append(Policy([c and not a for c, a in zip(card, again, strict=True)], even[:], paging, rerun))
    return policies


def _neighbour(view: Stages, policy: Policy, rng: random.Random, paging: bool, rerun: bool) -> Policy:
    """One to three changes of a way back or of a weight."""
    page, weight = policy.page[:], policy.weight[:]
    # values that wait long are the ones worth a change; the others follow
    waiting = [v.position for v in view.values if v.readers and max(v.readers) - v.producer > 3]
    for _ in range(rng.choice((1, 1, 2, 3))):
        position = rng.choice(waiting) if waiting and rng.random() < 0.9 else rng.randrange(len(page))
        if paging and rerun and rng.random() < 0.4:
            page[position] = not page[position] and view.values[position].item.pageable
        else:
            weight[position] *= rng.choice((0.05, 0.3, 3.0, 20.0))
    return Policy(page, weight, paging, rerun)
