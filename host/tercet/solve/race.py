# SPDX-License-Identifier: Apache-2.0
"""What the exact strategy knows so far: the best schedule, the best bound, what has been ruled out."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tercet.solve import compact, mip, search
from tercet.solve.columns import Key
from tercet.solve.helper import Helper
from tercet.solve.overlap import hide
from tercet.solve.policy import Policy
from tercet.solve.problem import Problem
from tercet.solve.replay import check, replay
from tercet.solve.schedule import Schedule
from tercet.solve.stages import Stages
from tercet.solve.tidy import tidy

# Seconds of local search for the square of the number of nodes, where transfers run beside computation.
LINGERING_S = 0.001


@dataclass
class Race:
    """What is known so far: the best schedule and the best bound, both without the constant part."""

    problem: Problem
    view: Stages
    deadline: float
    workers: int
    stop: threading.Event | None
    restrictions: tuple[str, ...]
    started: float
    best: Schedule | None = None
    best_pj: int = 1 << 62
    bound_pj: float = 0.0
    first_s: float | None = None
    proved: bool = False
    exhausted: bool = False
    banned: set = field(default_factory=set)
    forced: set = field(default_factory=set)
    options: dict = field(default_factory=dict)
    searches: int = 0
    relaxed: mip.Relaxed | None = None
    highs: mip.Highs = field(default_factory=mip.Highs)
    seeker: Helper = field(default_factory=Helper)

    def __post_init__(self) -> None:
        self.highs.stop, self.highs.meanwhile = self.stop, self.listen

    def seek(self, guides: Sequence[Policy] = ()) -> None:
        """Begins, or begins anew with guides, a local search beside the proof, in a process of its own."""
        if self.workers < 2:
            return
        self.listen()
        self.seeker.close()
        self.searches += 1
        self.seeker.begin(
            "tercet.solve.search:improve", problem=self.problem, time_limit_s=self.left_s, seed=1 + self.searches,
            guides=list(guides), paging=self.options["paging"], rerun=self.options["rerun"],
        )  # fmt: skip

    def listen(self) -> None:
        """Takes what the local search has found since."""
        for schedule in self.seeker.answers():
            if schedule is not None:
                self.offer(schedule)

    def linger(self) -> None:
        """Where transfers overlap, rows do not tell which of their solutions hides them: local search, which does, goes on."""
        stopped = self.stop is not None and self.stop.is_set()
        limit_s = min(self.left_s, LINGERING_S * len(self.problem.ops) ** 2)
        if not self.problem.overlap or self.proved or stopped or limit_s <= 0:
            return
        found = search.search(self.problem, time_limit_s=limit_s, seed=3, **self.options)
        if found is not None:
            self.offer(found)

    def close(self) -> None:
        """Ends the processes beside this one."""
        self.seeker.close()
        self.highs.helper.close()

    @property
    def left_s(self) -> float:
        """Seconds until the time limit."""
        return self.deadline - time.perf_counter()

    @property
    def over(self) -> bool:
        """Whether to stop: proved, out of time, or asked to."""
        return self.proved or self.exhausted or self.left_s <= 0 or bool(self.stop and self.stop.is_set())

    @property
    def overhead_gap(self) -> float:
        """The share of the best schedule's overhead that is open."""
        return (self.best_pj - self.bound_pj) / max(self.best_pj - self.problem.keep_all_pj, 1)

    def offer(self, schedule: Schedule) -> None:
        """A schedule that may be better than the best one; the replay decides."""
        schedule = hide(self.problem, tidy(self.problem, schedule))
        outcome = replay(self.problem, schedule)
        if not outcome.legal:
            # with overlap the rows only bound the makespan: a solution of theirs may be late, and nothing worse
            if self.problem.overlap and self.problem.deadline_ns is not None:
                return
            check(self.problem, schedule)
        if outcome.energy_pj < self.best_pj:
            self.best, self.best_pj = schedule, outcome.energy_pj
        if self.first_s is None:
            self.first_s = time.perf_counter() - self.started

    def settle(self, rows_optimal: bool) -> None:
        """The rows are solved: the schedule is optimal, unless overlap lets the schedule cost more than its rows."""
        if not self.problem.overlap:
            self.proved = rows_optimal
        elif rows_optimal:
            # the makespan's column counts whole microseconds
            self.proved = self.bound_pj + self.problem.baseline_mw * 1000 >= self.best_pj
            self.exhausted = True

    def build(self, target_pj: int | None = None, left_out: Collection[Key] = ()) -> compact.Compact:
        """The rows of what can still be better than the target (the best schedule by default), without the columns `left_out`."""
        target_pj = self.best_pj if target_pj is None else target_pj
        limit = target_pj - self.problem.keep_all_pj if self.best else 1 << 62
        banned = self.banned.union(left_out)
        built = compact.build(self.view, "energy", banned=banned, limit=max(limit, 0), paging=self.options["paging"])
        columns = built.columns()
        for key in self.forced:
            if key in columns:
                built.rows.low[columns[key]] = 1
        for key, column in columns.items():
            if key in banned and not built.rows.low[column]:
                built.rows.high[column] = 0
        return built
