# SPDX-License-Identifier: Apache-2.0
"""The scheduler: which tensors to keep, recompute or page, so that a step takes the least energy within RAM and deadline."""

from tercet.solve.api import STRATEGIES, solve
from tercet.solve.limits import fastest, smallest_deadline, smallest_ram
from tercet.solve.outcome import Replay
from tercet.solve.problem import Problem, from_graph
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule
from tercet.solve.solution import Solution

__all__ = [
    "STRATEGIES", "Problem", "Replay", "Schedule", "Solution", "fastest", "from_graph", "replay", "smallest_deadline",
    "smallest_ram", "solve",
]  # fmt: skip
