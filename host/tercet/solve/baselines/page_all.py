# SPDX-License-Identifier: Apache-2.0
"""Page-all: every activation that the backward phase reads goes to the card and comes back."""

from __future__ import annotations

import time
from typing import Any

from tercet.solve.baselines.walk import PAGE, candidates, outcome, possible, walk
from tercet.solve.problem import Problem
from tercet.solve.solution import Solution
from tercet.solve.stages import stages


def page_all(problem: Problem, **_: Any) -> Solution:
    """The schedule that pages all it may; raises InfeasibleError when even that does not fit."""
    started = time.perf_counter()
    view = stages(problem)
    labels = {position: PAGE for position in candidates(view) if PAGE in possible(view, position)}
    return outcome(problem, walk(problem, labels, "page-all", view), "page-all", started)
