# SPDX-License-Identifier: Apache-2.0
"""Local search over policies: flip a tensor's way back, or how dear its eviction looks; the replay has the last word."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from tercet.solve.overlap import sent_at_once, spread
from tercet.solve.policy import Policy, StuckError, simulate, uses
from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule
from tercet.solve.stages import Stages, stages
from tercet.solve.tidy import tidy

# So many neighbours in a row without a gain, and the search leaves for another place.
PATIENCE = 400
# How many changes of a weight are for a single wait of the value.
SINGLE = 0.5
# Least seconds between two schedules that `improve` reports.
PAUSE_S = 0.3


def search(
    problem: Problem, *, time_limit_s: float, seed: int = 1, paging: bool = True, rerun: bool = True,
    guides: Sequence[Policy] = (), found: Callable[[Schedule], None] = lambda _: None,
) -> Schedule | None:  # fmt: skip
    """The best schedule that local search over policies finds, or None when no policy fits.

    `guides` are policies to begin with, such as one read off an LP's optimum. `found` gets better schedules as they come.
    """
    started = time.perf_counter()
    climb = _Climb(problem, stages(problem))
    rng = random.Random(seed)
    for policy in (*guides, *_starts(climb.view, paging, rerun)):
        climb.attempt(policy)
        if climb.best and time.perf_counter() - started > time_limit_s:
            break
    told, said_s = climb.best, started
    while climb.policy is not None and time.perf_counter() - started < time_limit_s:
        if climb.stalled >= PATIENCE:
            assert climb.best_policy is not None
            climb.leave(_neighbour(climb.view, climb.best_policy, rng, paging, rerun, rng.choice((4, 8, 16, 40))))
        climb.attempt(_neighbour(climb.view, climb.policy, rng, paging, rerun, rng.choice((1, 1, 2, 3))))
        if climb.best is not told and climb.best and time.perf_counter() - said_s > PAUSE_S:
            told, said_s = climb.best, time.perf_counter()
            found(climb.best[1])
    return tidy(problem, climb.best[1]) if climb.best else None


def improve(*, say: Callable[[Schedule], None], problem: Problem, **options: Any) -> None:
    """Says better and better schedules, in a helper's process; `options` are those of `search`."""
    last = search(problem, found=say, **options)
    if last is not None:
        say(last)


class _Climb:
    """A hill climb: where it stands, and the best that it has seen."""

    def __init__(self, problem: Problem, view: Stages) -> None:
        self.problem, self.view, self.next_use = problem, view, uses(view)
        self.policy: Policy | None = None
        self.score = 0.0
        self.stalled = 0
        self.best: tuple[float, Schedule] | None = None
        self.best_policy: Policy | None = None

    def attempt(self, policy: Policy) -> bool:
        """Goes to a policy that is at least as good as where it stands; whether it did."""
        self.stalled += 1
        try:
            run = simulate(self.view, policy, self.next_use)
        except StuckError:
            return False
        schedule = Schedule(tuple(run.actions), "search", inputs=dict(self.problem.inputs))
        score, time_ns = run.energy + self.problem.baseline_mw * run.time, run.time
        if self.problem.overlap:
            # how long a step takes depends on what hides
            schedule = spread(self.problem, sent_at_once(self.problem, tidy(self.problem, schedule)))
            outcome = replay(self.problem, schedule)
            score, time_ns = float(outcome.energy_pj), outcome.time_ns
        if self.problem.deadline_ns is not None and time_ns > self.problem.deadline_ns:
            return False
        if self.policy is not None and score > self.score:
            return False
        if self.best is None or score < self.best[0]:
            if not replay(self.problem, schedule).legal:
                return False
            self.best, self.best_policy = (score, schedule), policy
        if self.policy is None or score < self.score:
            self.stalled = 0
        self.policy, self.score = policy, score
        return True

    def leave(self, policy: Policy) -> None:
        """Goes to a policy however bad it is, if it fits."""
        before = self.policy, self.score
        self.policy = None
        if not self.attempt(policy):
            self.policy, self.score = before
        self.stalled = 0


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


def _neighbour(
    view: Stages, policy: Policy, rng: random.Random, paging: bool, rerun: bool, changes: int
) -> Policy:  # fmt: skip
    """So many changes of a way back or of a weight."""
    page, weight, spans = policy.page[:], policy.weight[:], dict(policy.spans)
    # values that wait long are the ones worth a change; the others follow
    waiting = [v.position for v in view.values if v.readers and max(v.readers) - v.producer > 3]
    for _ in range(changes):
        position = rng.choice(waiting) if waiting and rng.random() < 0.9 else rng.randrange(len(page))
        readers, factor = view.values[position].readers, rng.choice((0.05, 0.3, 3.0, 20.0))
        if paging and rerun and rng.random() < 0.3:
            page[position] = not page[position] and view.values[position].item.pageable
        elif readers and rng.random() < SINGLE:
            span = position, rng.choice(readers)
            spans[span] = spans.get(span, 1.0) * factor
        else:
            weight[position] *= factor
    return Policy(page, weight, paging, rerun, spans)
