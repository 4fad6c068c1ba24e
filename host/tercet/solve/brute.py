# SPDX-License-Identifier: Apache-2.0
"""The truth for small problems: cheapest path over all states of RAM and card.

A state is (nodes that have run first, values in RAM, values on the card); moves are the actions of a schedule. Nothing
is restricted: nodes run again as often as they like. With a deadline each state keeps its energy-time frontier.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from tercet.errors import InfeasibleError, InputError
from tercet.solve.problem import Problem
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Recompute, Schedule, Update
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import Stages, Value, stages
from tercet.solve.tidy import tidy

MOST_NODES = 12
State = tuple[int, int, int]


def brute(problem: Problem, **_: Any) -> Solution:
    """The optimum by exhaustive search; raises InputError beyond 12 nodes, InfeasibleError when there is none."""
    started = time.perf_counter()
    if len(problem.ops) > MOST_NODES or problem.overlap:
        raise InputError(f"exhaustive search is for at most {MOST_NODES} nodes and serial transfers", hint="--strategy exact")
    view = stages(problem)
    in_ram = _bits(view, lambda v: v.producer < 0 and not v.item.on_card)
    start = (0, in_ram, _bits(view, lambda v: v.producer < 0 and v.item.on_card))
    final = _bits(view, lambda v: v.final and not v.item.on_card)
    homes = _bits(view, lambda v: v.final and v.item.on_card), _bits(view, lambda v: v.item.on_card)
    ticket = count()
    queue: list[tuple[float, int, int, State]] = [(0.0, 0, next(ticket), start)]
    came: dict[tuple[State, float, int], tuple | None] = {(start, 0.0, 0): None}
    settled: dict[State, list[int]] = {}
    while queue:
        energy, spent, _n, state = heapq.heappop(queue)
        # energies come out in order, so a label is of use only if it is quicker than all before it
        if any(other <= spent for other in settled.get(state, [])):
            continue
        settled.setdefault(state, []).append(spent)
        home = state[2] & homes[0] == homes[0] and not state[1] & homes[1]
        if state[0] == len(problem.ops) and state[1] & final == final and home:
            schedule = tidy(problem, Schedule(_path(came, (state, energy, spent)), "brute", inputs=dict(problem.inputs)))
            elapsed = time.perf_counter() - started
            return judged(problem, schedule, bound_pj=None, solve_s=elapsed, optimal=True)
        for action, follow, more_pj, more_ns in _moves(view, state):
            label = energy + more_pj + problem.baseline_mw * more_ns, spent + more_ns
            late = problem.deadline_ns is not None and label[1] > problem.deadline_ns
            if late or (follow, *label) in came or any(other <= label[1] for other in settled.get(follow, [])):
                continue
            came[follow, *label] = (action, (state, energy, spent))
            heapq.heappush(queue, (*label, next(ticket), follow))
    raise InfeasibleError("no schedule meets the budgets")


def _bits(view: Stages, which: Callable[[Value], bool]) -> int:
    """A set of values as the bits of an integer."""
    return sum(1 << value.position for value in view.values if which(value))


def _path(came: dict, at: tuple) -> tuple[Action, ...]:
    actions: list[Action] = []
    while came[at] is not None:
        action, at = came[at]
        actions.append(action)
    return tuple(reversed(actions))


def _fits(view: Stages, card: int) -> bool:
    """Whether the card holds these values; every tensor has one place, whichever of its versions lies in it."""
    capacity = view.problem.card_bytes
    if capacity is None:
        return True
    places = {v.tensor: v.item.card_bytes for v in view.values if card >> v.position & 1}
    return sum(places.values()) <= capacity


def _moves(view: Stages, state: State):
    """(action, state after it, energy, time) for every legal action."""
    ran, ram, card = state
    problem = view.problem
    budget = problem.ram_bytes if problem.ram_bytes is not None else 1 << 60
    live = sum(v.nbytes for v in view.values if ram >> v.position & 1)
    for value in view.values:
        bit, item = 1 << value.position, value.item
        gone = value.written_by is not None and ran > value.written_by
        if ram & bit:
            if not item.persistent or card & bit:
                yield Free(value.tensor), (ran, ram & ~bit, card), 0, 0
            if item.pageable and not card & bit and live + item.bounce_bytes <= budget and _fits(view, card | bit):
                yield PageOut(value.tensor), (ran, ram, card | bit), item.out_pj, item.out_ns + item.out_cpu_ns
        elif card & bit and not gone and live + value.nbytes + item.bounce_bytes <= budget:
            yield PageIn(value.tensor), (ran, ram | bit, card), item.in_pj, item.in_ns + item.in_cpu_ns
    for node in range(min(ran + 1, len(problem.ops))):
        op = problem.ops[node]
        first = node == ran
        if not first and not op.again:
            continue
        if any(not ram >> p & 1 for p in view.reads[node]):
            continue
        taken = view.taken[node]
        fresh = [p for p in view.writes[node] if p not in taken and not ram >> p & 1]
        if any(ram >> p & 1 for p in taken) or not (first or fresh or taken):
            continue
        if live + op.workspace_bytes + sum(view.values[p].nbytes for p in fresh) > budget:
            continue
        after = ram
        for new, old in taken.items():
            after = after & ~(1 << old) | 1 << new
        for position in fresh:
            after |= 1 << position
        action = (Update if op.mutates else Compute)(op.name) if first else Recompute(op.name)
        cost = (op.energy_pj, op.time_ns) if first else (op.again_pj, op.again_ns)
        yield action, (ran + first, after, card), *cost
