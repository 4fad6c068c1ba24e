# SPDX-License-Identifier: Apache-2.0
"""Keep-all: every node once, every tensor until its last use."""

from __future__ import annotations

import time
from typing import Any

from tercet.solve.baselines.walk import outcome, walk
from tercet.solve.problem import Problem
from tercet.solve.solution import Solution


def keep_all(problem: Problem, **_: Any) -> Solution:
    """The schedule that neither runs again nor pages; raises InfeasibleError when it does not fit."""
    started = time.perf_counter()
    return outcome(problem, walk(problem, {}, "keep-all"), "keep-all", started)


def peak_bytes(problem: Problem) -> int:
    """The store-all peak: the extent of keep-all, whatever the budgets."""
    solution = keep_all(problem.with_budgets())
    return solution.peak_bytes
