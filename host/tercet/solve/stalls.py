# SPDX-License-Identifier: Apache-2.0
"""A card that stalls: now and then it erases before it takes a block. How long a step then takes, by percentile."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tercet.costs import BLOCK_BYTES, PageCost
from tercet.errors import InputError
from tercet.solve.problem import Problem
from tercet.solve.replay import check, replay
from tercet.solve.schedule import PageIn, PageOut, Schedule

DRAWS = 2000


@dataclass(frozen=True)
class Stall:
    """Each block that is written stalls the bus for `ms` with the probability `chance`, whatever the others do."""

    chance: float
    ms: float

    @classmethod
    def parse(cls, text: str) -> Stall:
        """`0.1%:100`: one block in a thousand takes 100 ms longer. Raises InputError."""
        chance, _, ms = text.partition(":")
        try:
            share = float(chance[:-1]) / 100 if chance.endswith("%") else float(chance)
            stall = cls(share, float(ms))
        except ValueError as error:
            raise InputError(f"{text!r} is no stall", hint="write 0.1%:100, a chance a block and milliseconds") from error
        if not (0 <= stall.chance <= 1 and 0 <= stall.ms < float("inf")):
            raise InputError(f"{text!r}: a chance lies between 0 and 1, a time is not negative")
        return stall

    @classmethod
    def of(cls, cost: PageCost) -> Stall | None:
        """The stalls that a profile met while it wrote; None when it met none or did not look."""
        return cls(cost.stall_chance, cost.stall_us / 1e3) if cost.stall_chance else None


def percentile_ms(
    problem: Problem, schedule: Schedule, stall: Stall, percent: float = 99.0, *, draws: int = DRAWS, seed: int = 1
) -> float:  # fmt: skip
    """The makespan in milliseconds that `percent` of the steps stay within, over `draws` drawn steps.

    The deadline is not judged: it is one on modelled time. Raises `IllegalError` when the schedule is illegal.
    """
    late = replace(problem, deadline_ns=None)
    if not schedule.paged_out:
        return check(late, schedule).time_ms
    blocks = [
        problem.items[action.tensor].card_bytes // BLOCK_BYTES if isinstance(action, PageOut) else 0
        for action in schedule.actions
        if isinstance(action, PageOut | PageIn)
    ]
    check(late, schedule)
    counts = np.random.default_rng(seed).binomial(blocks, stall.chance, size=(draws, len(blocks)))
    each_ns = round(stall.ms * 1e6)
    # steps that stall in the same places take the same time
    drawn, times = np.unique(counts, axis=0, return_counts=True)
    spans = [replay(late, schedule, [int(n) * each_ns for n in row]).time_ms for row in drawn]
    return float(np.percentile(np.repeat(spans, times), percent, method="higher"))
