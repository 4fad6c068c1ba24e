# SPDX-License-Identifier: Apache-2.0
"""Small improvements that never hurt: free as early as possible, drop transfers that nobody needs."""

from __future__ import annotations

from dataclasses import replace

from tercet.solve.problem import Problem
from tercet.solve.schedule import Action, Free, PageIn, PageOut, Runs, Schedule


def tidy(problem: Problem, schedule: Schedule) -> Schedule:
    """The same schedule with each buffer released right after its last use and without useless transfers."""
    actions = list(schedule.actions)
    for _ in range(len(actions)):
        shorter = without_useless(problem, actions)
        if len(shorter) == len(actions):
            break
        actions = shorter
    return replace(schedule, actions=tuple(_frees(problem, actions)))


def without_useless(problem: Problem, actions: list[Action]) -> list[Action]:
    """Drops page-ins that are freed unread and page-outs whose copy is never read."""
    useless: set[int] = set()
    last_out: dict[str, int] = {}
    pending: dict[str, int] = {}
    for index, action in enumerate(actions):
        if isinstance(action, PageOut):
            if action.tensor in last_out:
                useless.add(last_out[action.tensor])
            last_out[action.tensor] = index
        elif isinstance(action, PageIn):
            last_out.pop(action.tensor, None)
            pending[action.tensor] = index
        elif isinstance(action, Free) and action.tensor in pending:
            useless |= {pending.pop(action.tensor), index}
        elif isinstance(action, Runs):
            for tensor in problem.ops[problem.index[action.node]].reads:
                pending.pop(tensor, None)
    home = Schedule(tuple(actions)).on_card
    useless |= {index for tensor, index in last_out.items() if not (tensor in home and problem.items[tensor].persistent)}
    return [action for index, action in enumerate(actions) if index not in useless]


def _frees(problem: Problem, actions: list[Action]) -> list[Action]:
    """Moves each free to the place after the last action that touched the buffer."""
    after: dict[int, list[Action]] = {}
    last: dict[str, int] = {}
    for index, action in enumerate(actions):
        if isinstance(action, Free):
            after.setdefault(last.get(action.tensor, -1), []).append(action)
        elif isinstance(action, PageOut | PageIn):
            last[action.tensor] = index
        else:
            op = problem.ops[problem.index[action.node]]
            for tensor in (*op.reads, *op.outputs):
                last[tensor] = index
    moved: list[Action] = list(after.get(-1, []))
    for index, action in enumerate(actions):
        if not isinstance(action, Free):
            moved.append(action)
        moved += after.get(index, [])
    return moved
