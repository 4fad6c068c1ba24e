# SPDX-License-Identifier: Apache-2.0
"""Capuchin-style: swap what hides behind computing, recompute the rest by memory saved per second.

Peng et al., Capuchin: tensor-based GPU memory management for deep learning (2020). The access times are those of the
keep-all schedule; free time = idle interval less the transfers. Tensors with free time are swapped; when those do not
suffice, the tensor with the most bytes per second of recomputation (MSPS) is recomputed, or swapped when that is quicker.
"""

from __future__ import annotations

import time
from typing import Any

from tercet.solve.baselines.walk import AGAIN, PAGE, candidates, outcome, possible, turn, walk
from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule
from tercet.solve.solution import Solution
from tercet.solve.stages import Stages, stages


def capuchin(problem: Problem, **_: Any) -> Solution:
    """The schedule that the rule arrives at; raises InfeasibleError when every candidate is evicted and it still does not fit."""
    started = time.perf_counter()
    view = stages(problem)
    labels: dict[int, str] = {}
    schedule: Schedule | None = walk(problem, labels, "capuchin", view)
    for position, label in _order(problem, view):
        if schedule is not None and replay(problem, schedule).legal:
            break
        labels[position] = label
        schedule = walk(problem, labels, "capuchin", view)
    return outcome(problem, schedule, "capuchin", started)


def _order(problem: Problem, view: Stages) -> list[tuple[int, str]]:
    """Candidates in the order in which they are evicted, with the way they come back."""
    clock = [0]
    for op in problem.ops:
        clock.append(clock[-1] + op.time_ns)
    middle = turn(problem)
    hidden, rest = [], []
    for position in candidates(view):
        value = view.values[position]
        ways = possible(view, position)
        last = max((r for r in value.readers if r < middle), default=value.producer)
        back = min(r for r in value.readers if r >= middle)
        swap_ns = value.item.out_ns + value.item.in_ns
        free_ns = clock[back] - clock[last + 1] - swap_ns
        if PAGE in ways and free_ns >= 0 and swap_ns:
            hidden.append((-free_ns, position, PAGE))
            continue
        again_ns = problem.ops[value.producer].again_ns if AGAIN in ways else 1 << 60
        stall_ns = max(0, -free_ns) if PAGE in ways else 1 << 60
        if AGAIN in ways or PAGE in ways:
            label = AGAIN if again_ns <= stall_ns else PAGE
            rest.append((-value.nbytes / (min(again_ns, stall_ns) + 1), position, label))
    return [(position, label) for _, position, label in (*sorted(hidden), *sorted(rest))]
