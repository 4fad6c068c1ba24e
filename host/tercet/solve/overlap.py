# SPDX-License-Identifier: Apache-2.0
"""Transfers beside the CPU: page-ins are begun earlier and frees behind page-outs later, where RAM has room.

The order of the actions decides over RAM; so whatever this pass moves, the replay judges, and only what shortens the
step is kept.
"""

from __future__ import annotations

from dataclasses import replace

from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.schedule import Action, Free, PageIn, PageOut, Runs, Schedule

REACH = 40


def hide(problem: Problem, schedule: Schedule, *, rounds: int = 3) -> Schedule:
    """The schedule with its transfers spread so that they hide; the same one when there is nothing to gain."""
    free = replace(problem, deadline_ns=None)
    actions = list(schedule.actions)
    best = replay(free, schedule)
    if not problem.overlap or not best.legal or not schedule.paged_out:
        return schedule
    least = best.time_ns
    for _ in range(rounds):
        before = least
        for index in range(len(actions) - 1, -1, -1):
            if isinstance(actions[index], Free) and _follows_page_out(actions, index):
                actions, least = _shift(free, actions, index, 1, least)
        for index in range(len(actions)):
            if isinstance(actions[index], PageIn):
                actions, least = _shift(free, actions, index, -1, least)
        if least == before:
            break
    return replace(schedule, actions=tuple(actions))


def _follows_page_out(actions: list[Action], index: int) -> bool:
    tensor = actions[index].tensor  # type: ignore[union-attr]
    for action in reversed(actions[:index]):
        if isinstance(action, PageOut) and action.tensor == tensor:
            return True
        if isinstance(action, Runs):
            return False
    return False


def _shift(problem: Problem, actions: list[Action], index: int, step: int, least: int) -> tuple[list[Action], int]:
    """Moves one action in a direction as long as it is legal; keeps the place with the shortest step."""
    best = actions
    trial = list(actions)
    at = index
    for _ in range(REACH):
        if not 0 <= at + step < len(trial):
            break
        trial[at], trial[at + step] = trial[at + step], trial[at]
        at += step
        outcome = replay(problem, Schedule(tuple(trial)))
        if not outcome.legal:
            break
        if outcome.time_ns < least:
            best, least = list(trial), outcome.time_ns
    return best, least
