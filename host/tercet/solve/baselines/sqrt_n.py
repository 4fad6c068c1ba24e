# SPDX-License-Identifier: Apache-2.0
"""sqrt(n): every sqrt(n)-th activation is kept, the others are computed again segment by segment.

Chen, Xu, Zhang and Guestrin, Training deep nets with sublinear memory cost (2016).
"""

from __future__ import annotations

import math
import time
from typing import Any

from tercet.solve.baselines.walk import AGAIN, candidates, outcome, possible, walk
from tercet.solve.problem import Problem
from tercet.solve.solution import Solution
from tercet.solve.stages import stages


def sqrt_n(problem: Problem, **_: Any) -> Solution:
    """The schedule with ceil(sqrt(n)) activations between checkpoints; raises InfeasibleError when it does not fit."""
    started = time.perf_counter()
    view = stages(problem)
    values = candidates(view)
    step = max(1, math.ceil(math.sqrt(len(values))))
    labels = {
        position: AGAIN
        for index, position in enumerate(values)
        if index % step and AGAIN in possible(view, position)
    }
    return outcome(problem, walk(problem, labels, "sqrt-n", view), "sqrt-n", started)
