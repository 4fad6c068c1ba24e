# SPDX-License-Identifier: Apache-2.0
"""The exact strategy: local search, a safe LP bound, fixing, branch and bound; CP-SAT where the rows are few."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from tercet.errors import InfeasibleError, TercetError
from tercet.solve import compact, cpsat, mip, policy
from tercet.solve.decode import decode
from tercet.solve.overlap import hide
from tercet.solve.problem import Problem
from tercet.solve.replay import check, replay
from tercet.solve.schedule import Schedule
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import Stages, stages
from tercet.solve.tidy import tidy

ONCE = "a node runs at most once between two first executions"
LATE = "nothing runs again before the loss"
SMALL_COLUMNS = 1500
# Where, between the bound and the best schedule, branch and bound looks first.
SHARES = (0.06, 0.25, 0.6, 1.0)


@dataclass
class _Race:
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
    point: np.ndarray | None = None

    @property
    def left_s(self) -> float:
        """Seconds until the time limit."""
        return self.deadline - time.perf_counter()

    @property
    def over(self) -> bool:
        """Whether to stop: proved, out of time, or asked to."""
        return self.proved or self.exhausted or self.left_s <= 0 or bool(self.stop and self.stop.is_set())

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

    def build(self, target_pj: int | None = None) -> compact.Compact:
        """The rows of what can still be better than the target (the best schedule by default)."""
        target_pj = self.best_pj if target_pj is None else target_pj
        limit = target_pj - self.problem.keep_all_pj if self.best else 1 << 62
        built = compact.build(self.view, "energy", banned=self.banned, limit=max(limit, 0), **self.options)
        columns = built.columns()
        for key in self.forced:
            if key in columns:
                built.rows.low[columns[key]] = 1
        for key, column in columns.items():
            if key in self.banned and not built.rows.low[column]:
                built.rows.high[column] = 0
        return built


def exact(
    problem: Problem, *, time_limit_s: float = 60.0, workers: int = 2, stop: threading.Event | None = None,
    forward_reruns: bool = True, rerun: bool = True, paging: bool = True, hint: Schedule | None = None,
) -> Solution:  # fmt: skip
    """The schedule of least energy within the problem's budgets, with its proof or its bound.

    Without `forward_reruns`, `rerun` or `paging` the problem is restricted, and the bound holds for that. Raises
    InfeasibleError when there is no schedule, TercetError when none was found in time.
    """
    started = time.perf_counter()
    view = stages(problem, forward_reruns=forward_reruns, rerun=rerun)
    names = (ONCE,) * rerun + (LATE,) * (rerun and not forward_reruns)
    names += ("nothing runs again",) * (not rerun) + ("nothing is paged",) * (not paging)
    race = _Race(problem, view, started + time_limit_s, workers, stop, names, started, options={"paging": paging})
    race.bound_pj = problem.keep_all_pj
    if hint is not None:
        race.offer(hint)
    effort = min(0.02 * time_limit_s, 0.15 + 0.00004 * len(problem.ops) ** 2)
    found = policy.search(problem, time_limit_s=0.0, paging=paging, rerun=rerun)
    if found is not None:
        race.offer(found)
    for ways in {(paging, rerun), (paging, False), (False, rerun)} - {(False, False)}:
        better = policy.search(problem, time_limit_s=effort / 3, paging=ways[0] and paging, rerun=ways[1], seed=2)
        if better is not None:
            race.offer(better)
    _prove(race)
    if race.best is None:
        raise TercetError(f"no schedule found within {time_limit_s:g} s", hint="raise --time-limit")
    return judged(
        problem, Schedule(race.best.actions, "exact", inputs=dict(problem.inputs)), bound_pj=int(race.bound_pj),
        solve_s=time.perf_counter() - started, optimal=race.proved, restrictions=names, first_s=race.first_s,
    )  # fmt: skip


def _prove(race: _Race) -> None:
    """Bounds, fixes and branches until the best schedule is proved or time is up."""
    if race.best is not None and race.best_pj <= race.problem.keep_all_pj:
        if all(op.again_pj >= 0 for op in race.problem.ops):
            race.bound_pj, race.proved = race.best_pj, True
        return
    built = race.build()
    if len(built.rows.names) <= SMALL_COLUMNS:
        _by_cpsat(race, built, min(race.left_s, 12.0))
        if race.over:
            return
    _fix(race, built, race.best_pj)
    if not race.over and race.best is not None and len(built.rows.names) > SMALL_COLUMNS:
        _guided(race, built)
    for share in SHARES:
        if race.over:
            return
        gap = race.best_pj - race.bound_pj
        _bracket(race, race.best_pj if share == 1 or race.best is None else int(race.bound_pj + share * gap))


def _bracket(race: _Race, target_pj: int) -> None:
    """Decides whether anything is better than `target_pj`: if so finds the best, if not the target becomes the bound.

    What the LP rules out below the target is left out for this round, so that the rows are few when the target is near
    the bound.
    """
    banned, forced = set(race.banned), set(race.forced)
    built = race.build(target_pj)
    for _ in range(3):
        if race.best is None or not _fix(race, built, target_pj) or race.over:
            break
        built = race.build(target_pj)
    if not race.over:
        limit_s = race.left_s * (1.0 if target_pj >= race.best_pj else 0.35)
        _by_branching(race, race.build(target_pj), target_pj, limit_s)
    if target_pj < race.best_pj:
        race.banned, race.forced = banned, forced


def _guided(race: _Race, built: compact.Compact) -> None:
    """Local search from the policy that the LP's optimum suggests: what it keeps is dear, what it pages is paged."""
    point = race.point
    if point is None:
        return
    page, weight = [], []
    held: dict[int, list[float]] = {}
    for (_, position, node), column in built.held.items():
        if node == -1:
            held.setdefault(position, []).append(1.0 if column < 0 else float(point[column]))
    for value in race.view.values:
        out = built.out.get(value.position)
        page.append(out is not None and point[out] > 0.5)
        kept = held.get(value.position, [0.0])
        weight.append(20.0 ** (2 * min(kept) - 1))
    guide = policy.Policy(page, weight, race.options["paging"], ONCE in race.restrictions)
    rerun = ONCE in race.restrictions
    found = policy.search(
        race.problem, time_limit_s=0.12 * race.left_s, seed=3, guides=[guide], stop=race.stop, rerun=rerun,
        paging=race.options["paging"],
    )  # fmt: skip
    if found is not None:
        race.offer(found)


def _by_cpsat(race: _Race, built: compact.Compact, limit_s: float) -> None:
    """Few rows: CP-SAT decides them in integers."""
    answer = cpsat.solve_rows(built.rows, time_limit_s=limit_s, workers=race.workers, stop=race.stop)
    _answered(race, built, answer)


def _answered(race: _Race, built: compact.Compact, answer: cpsat.Answer) -> None:
    if answer.status == "infeasible":
        if race.best is None:
            raise InfeasibleError("no schedule meets the budgets")
        race.bound_pj, race.proved = race.best_pj, True
        return
    if answer.values is not None:
        race.offer(decode(built, answer.values, "exact"))
    if answer.bound is not None:
        race.bound_pj = max(race.bound_pj, min(answer.bound, race.best_pj))
    race.settle(answer.status == "optimal")


def _unit(race: _Race, built: compact.Compact) -> float:
    """Picojoules a unit of the scaled objective."""
    scale = race.best_pj - built.rows.offset if race.best is not None else max(built.rows.cost, default=1)
    return max(scale, 1) / mip.UNITS


def _fix(race: _Race, built: compact.Compact, target_pj: int) -> bool:
    """The LP bound and what it rules out below the target; whether another round may rule out more."""
    matrix = mip.Matrix(built.rows)
    relaxed = mip.relax(matrix, _unit(race, built), time_limit_s=race.left_s, stop=race.stop)
    if relaxed is None:
        return False
    offset, race.point = built.rows.offset, relaxed.point
    race.bound_pj = max(race.bound_pj, min(float(target_pj), relaxed.bound + offset))
    if race.best is None:
        return False
    # only what is strictly better than the target, by a picojoule at least, is of interest
    room = target_pj - 1 - offset - relaxed.bound
    if room < 0:
        race.proved = target_pj >= race.best_pj
        race.bound_pj = max(race.bound_pj, target_pj)
        return False
    before = len(race.banned) + len(race.forced)
    for key, column in built.columns().items():
        if built.rows.low[column] == built.rows.high[column]:
            continue
        if relaxed.reduced[column] > room:
            race.banned.add(key)
        elif -relaxed.reduced[column] > room:
            race.forced.add(key)
    return len(race.banned) + len(race.forced) > before + 0.03 * len(built.rows.names)


def _by_branching(race: _Race, built: compact.Compact, target_pj: int, limit_s: float) -> None:
    """Branch and bound over what is left, below the target."""
    unit, offset = _unit(race, built), built.rows.offset
    margin = mip.MARGIN * unit * mip.UNITS
    cutoff = target_pj - offset - margin if race.best is not None else None
    found = mip.branch(mip.Matrix(built.rows), unit, cutoff=cutoff, time_limit_s=limit_s, stop=race.stop)
    if found.status == "infeasible":
        if race.best is None:
            raise InfeasibleError("no schedule meets the budgets")
        race.bound_pj = max(race.bound_pj, target_pj - margin)
        race.proved = target_pj >= race.best_pj
        return
    if found.point is not None:
        race.offer(decode(built, found.point.tolist(), "exact"))
    race.bound_pj = max(race.bound_pj, min(found.bound + offset, target_pj, race.best_pj) - margin)
    race.settle(found.status == "optimal")


def extreme(problem: Problem, objective: str, *, time_limit_s: float = 30.0, workers: int = 2) -> Solution:
    """The schedule of least `time` or `ram` within the problem's other budgets; its `bound_j` is not set.

    Raises InfeasibleError when there is none.
    """
    built = compact.build(stages(problem), objective)
    answer = cpsat.solve_rows(built.rows, time_limit_s=time_limit_s, workers=workers)
    if answer.values is None:
        raise InfeasibleError("no schedule meets the budgets")
    schedule = tidy(problem, decode(built, answer.values, f"least {objective}"))
    return judged(problem, schedule, bound_pj=None, solve_s=answer.solve_s, restrictions=(ONCE,))
