# SPDX-License-Identifier: Apache-2.0
"""What the exact strategy knows so far: the best schedule, the best bound, what has been ruled out."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from tercet.solve import coarse, compact, mip, search
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
    whole: Problem | None = None  # what `problem` is the coarse form of

    def __post_init__(self) -> None:
        # schedules of a coarse problem are looked for where what is put back into them has room
        self.roomy = self.problem if self.whole is None else coarse.with_room(self.problem, self.whole)
        self.roomy_view = self.view if self.whole is None else replace(self.view, problem=self.roomy)
        self.highs.stop, self.highs.meanwhile = self.stop, self.listen

    def seek(self, guides: Sequence[Policy] = ()) -> None:
        """Begins, or begins anew with guides, a local search beside the proof, in a process of its own."""
        if self.workers < 2:
            return
        self.listen()
        self.seeker.close()
        self.searches += 1
        self.seeker.begin(
            "tercet.solve.search:improve", problem=self.roomy, time_limit_s=self.left_s, seed=1 + self.searches,
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

    def unit(self, built: compact.Compact) -> float:
        """Picojoules a unit of the scaled objective."""
        scale = self.best_pj - built.rows.offset if self.best is not None else max(built.rows.cost, default=1)
        return max(scale, 1) / mip.UNITS

    def offer(self, schedule: Schedule) -> bool:
        """A schedule that may be better than the best one; the replay decides. Whether it is one at all."""
        schedule = hide(self.problem, tidy(self.problem, schedule))
        if self.whole is None:
            return self.take(schedule)
        check(self.problem, schedule)
        return self.take(coarse.lifted(self.whole, schedule))

    def take(self, schedule: Schedule) -> bool:
        """`offer` for a schedule of the whole problem."""
        problem = self.whole or self.problem
        outcome = replay(problem, schedule)
        if not outcome.legal:
            # a schedule of the coarse problem may need some bytes more; with overlap the rows only bound the makespan:
            # a solution of theirs may be late, and nothing worse
            if self.whole is not None or (problem.overlap and problem.deadline_ns is not None):
                return False
            check(problem, schedule)
        if outcome.energy_pj < self.best_pj:
            self.best, self.best_pj = schedule, outcome.energy_pj
        if self.first_s is None:
            self.first_s = time.perf_counter() - self.started
        return True

    def raise_bound(self, bound_pj: float, margin: float) -> None:
        """A bound on whatever is better than the best schedule by more than `margin`; at the best schedule it is a proof."""
        reached = min(bound_pj + margin, float(self.best_pj))
        self.bound_pj = max(self.bound_pj, reached - margin)
        self.proved = self.proved or reached >= self.best_pj

    def settle(self, rows_optimal: bool, fits: bool) -> None:
        """The rows are solved: the schedule is optimal, unless it does not fit the whole problem, or overlap lets it cost more
        than its rows."""
        if not self.problem.overlap:
            self.proved, self.exhausted = rows_optimal and fits, rows_optimal
        elif rows_optimal:
            # the makespan's column counts whole microseconds
            self.proved = self.bound_pj + self.problem.baseline_mw * 1000 >= self.best_pj
            self.exhausted = True

    def build(
        self, target_pj: int | None = None, left_out: Collection[Key] = (), spare: bool = False
    ) -> compact.Compact:  # fmt: skip
        """The rows of what can still be better than the target (the best schedule by default), without the columns `left_out`.

        With `spare`, what a coarse problem leaves out has room.
        """
        view = self.roomy_view if spare else self.view
        target_pj = self.best_pj if target_pj is None else target_pj
        limit = target_pj - self.problem.keep_all_pj if self.best else 1 << 62
        banned = self.banned.union(left_out)
        built = compact.build(view, "energy", banned=banned, limit=max(limit, 0), paging=self.options["paging"])
        columns = built.columns()
        for key in self.forced:
            if key in columns:
                built.rows.low[columns[key]] = 1
        for key, column in columns.items():
            if key in banned and not built.rows.low[column]:
                built.rows.high[column] = 0
        return built
