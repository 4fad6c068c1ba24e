# SPDX-License-Identifier: Apache-2.0
"""Branch and bound over how often the dear actions happen; the leaves of the tree are solved side by side.

A few executions and transfers make up most of a schedule's overhead. The LP is vague about them: half a page-out and two
thirds of an execution. A tree over their numbers alone, one LP a node, is small, and leaves few cases open. In each the
numbers are known, and so its LP's bound is near, its reduced costs rule out much, and branch and bound ends early.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from threading import Lock

import numpy as np

from tercet.solve import mip, totals
from tercet.solve.columns import Compact
from tercet.solve.mip import Highs, Matrix

# An action is dear that costs at least this share of the best schedule's overhead.
DEAR = 0.05
# A tree of more cases and splits is given up; more cases are not worth solving each.
MOST_NODES, MOST_LEAVES = 40, 8
# What is nearer to a whole number than this is whole.
WHOLE = 1e-6


@dataclass(order=True)
class Case:
    """Limits of the columns, in which the LP's bound is `bound` (without the rows' offset) and its optimum `point`."""

    bound: float
    ticket: int
    low: np.ndarray = field(compare=False)
    high: np.ndarray = field(compare=False)
    point: np.ndarray = field(compare=False)


class Tree:
    """The cases of some rows that are open below `cutoff` picojoules (without the rows' offset).

    `whole` when the numbers of dear actions are whole in the LP's optimum of every case. `unit` is picojoules a unit of the
    scaled objective.
    """

    def __init__(self, built: Compact, cutoff: float, unit: float) -> None:
        dear = [(cost, columns) for (_, cost), columns in totals.sorts(built).items() if cost >= DEAR * cutoff]
        self.numbers = np.array([totals.number(built, columns) for _, columns in dear], dtype=np.int64)
        self.weights = np.sqrt([cost for cost, _ in dear])
        self.matrix, self.cutoff, self.unit = Matrix(built.rows), cutoff, unit
        self.cases: list[Case] = []
        self.whole = False
        self._tickets = count()

    @property
    def bound(self) -> float:
        """What no solution below the first cutoff is below."""
        return min((case.bound for case in self.cases), default=np.inf)

    def grow(self, highs: Highs, ends: float) -> None:
        """Splits the case of the least bound between two numbers of a dear action, until all are whole or `ends` has come."""
        split: list[Case] = []
        whole: list[Case] = []
        if not self._enter(split, self.matrix.low, self.matrix.high, -np.inf, highs, ends):
            self.cases = [Case(-np.inf, 0, self.matrix.low, self.matrix.high, self.matrix.low)]
            return
        while split and len(split) + len(whole) <= MOST_LEAVES and next(self._tickets) < MOST_NODES:
            case = heapq.heappop(split)
            column = self._most_between(case.point)
            if column is None:
                whole.append(case)
                continue
            below, above = case.high.copy(), case.low.copy()
            below[column] = np.floor(case.point[column])
            above[column] = below[column] + 1
            if not (
                self._enter(split, case.low, below, case.bound, highs, ends)
                and self._enter(split, above, case.high, case.bound, highs, ends)
            ):
                heapq.heappush(split, case)
                break
        self.cases, self.whole = sorted([*split, *whole]), not split

    def _enter(self, cases: list[Case], low: np.ndarray, high: np.ndarray, bound: float, highs: Highs, ends: float) -> bool:
        """Adds a case, unless its LP says that nothing in it is below the cutoff; false when the LP has no answer in time."""
        matrix = self.matrix.within(low, high)
        found = highs.run(matrix.to_proto(self.unit, None, None), max(ends - time.perf_counter(), 0.05), False)
        if found is not None and found["status"] == "infeasible":
            return True
        if found is None or found["duals"] is None or found["point"] is None:
            return False
        scaled, reduced = mip.safe_bound(matrix, self.unit, found["duals"])
        room = self.cutoff - scaled * self.unit
        if room >= 0:
            low = np.where(reduced * self.unit < -room, high, low)
            high = np.where(reduced * self.unit > room, low, high)
            heapq.heappush(cases, Case(max(bound, scaled * self.unit), next(self._tickets), low, high, found["point"]))
        return True

    def _most_between(self, point: np.ndarray) -> int | None:
        """The number furthest from whole, dear actions counting for more; None when all are whole."""
        amount = point[self.numbers]
        off = np.abs(amount - np.round(amount))
        if not len(off) or off.max() <= WHOLE:
            return None
        return int(self.numbers[np.argmax(np.where(off > WHOLE, off, 0) * self.weights)])

    def solve(self, solvers: Sequence[Highs], ends: float) -> list[np.ndarray]:
        """Branch and bound in every case, as many side by side as there are solvers; returns the solutions found.

        The cutoff falls to the best of them, and the cases' bounds rise. A solver without a case of its own searches one
        that another has begun, in another order; whichever ends first, ends the other.
        """
        points: list[np.ndarray] = []
        waiting, lock = deque(self.cases), Lock()
        begun: list[Case | None] = [None] * len(solvers)

        def next_case(solver: int) -> Case | None:
            with lock:
                while waiting and waiting[0].bound >= self.cutoff:
                    waiting.popleft()
                others = [case for case in begun if case is not None]
                begun[solver] = waiting.popleft() if waiting else min(others, default=None)
                return begun[solver]

        def ended(solver: int, case: Case, found: mip.Found) -> None:
            with lock:
                if begun[solver] is not case:
                    return
                case.bound = max(case.bound, found.bound)
                if found.point is not None:
                    points.append(found.point)
                    self.cutoff = min(self.cutoff, float(self.matrix.cost @ np.round(found.point)))
                begun[:] = [None if its is case else its for its in begun]

        def given_up(solver: int, case: Case) -> None:
            if begun[solver] is not case:
                solvers[solver].helper.close()

        def work(solver: int) -> None:
            stop = solvers[solver].stop
            while time.perf_counter() < ends and not (stop and stop.is_set()) and (case := next_case(solver)) is not None:
                highs = replace(solvers[solver], meanwhile=partial(given_up, solver, case))
                matrix = self.matrix.within(case.low, case.high)
                left_s = max(ends - time.perf_counter(), 0.05)
                found = mip.branch(matrix, self.unit, highs, cutoff=self.cutoff, time_limit_s=left_s, seed=solver)
                ended(solver, case, found)

        with ThreadPoolExecutor(len(solvers)) as pool:
            try:
                list(pool.map(work, range(len(solvers))))
            except BaseException:
                for solver in solvers:
                    solver.helper.close()
                raise
        return points
