# SPDX-License-Identifier: Apache-2.0
"""Schedules by simulation: nodes run in order, RAM is made by evicting what is cheapest to bring back and needed last.

Each tensor has a way back, by the card or by running its producer again; the search flips these and the weights with
which victims are chosen. Every schedule it returns has been judged by the replay.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Recompute, Update
from tercet.solve.stages import Stages


class StuckError(Exception):
    """No victim is left; this policy does not fit."""


@dataclass
class Policy:
    """Per value: whether it comes back by the card, and how dear an eviction is made to look.

    `spans` multiplies that for single waits: (value, stage of its next use) -> factor.
    """

    page: list[bool]
    weight: list[float]
    paging: bool = True
    rerun: bool = True
    spans: dict[tuple[int, int], float] = field(default_factory=dict)


@dataclass
class _Run:
    """The state of one simulation."""

    view: Stages
    policy: Policy
    budget: int
    live: set[int] = field(default_factory=set)
    card: set[int] = field(default_factory=set)
    used: int = 0
    card_bytes: int = 0
    actions: list[Action] = field(default_factory=list)
    energy: float = 0.0
    time: float = 0.0
    now: int = 0


def simulate(view: Stages, policy: Policy, next_use: list[list[int]]) -> _Run:
    """The schedule of a policy, within the RAM budget; raises StuckError."""
    problem = view.problem
    run = _Run(view, policy, problem.ram_bytes if problem.ram_bytes is not None else 1 << 60)
    begin(run)
    for k in range(len(problem.ops)):
        run.now = k
        _execute(run, k, next_use, frozenset(), 0)
        for position in list(run.live):
            value = view.values[position]
            if next_use[position][k + 1] > len(problem.ops):
                if value.item.on_card:
                    go_home(run, position)
                elif not value.final:
                    _drop(run, position)
    for value in view.values:
        if value.final and value.position not in run.live and not value.item.on_card:
            _restore(run, value.position, next_use, frozenset(), 0)
    return run


def begin(run: _Run) -> None:
    """Weights and state are where they live."""
    for value in run.view.values:
        if value.producer < 0 and value.item.on_card:
            run.card.add(value.position)
            run.card_bytes += value.item.card_bytes
        elif value.producer < 0:
            run.live.add(value.position)
            run.used += value.nbytes


def go_home(run: _Run, position: int) -> None:
    """What lives on the card returns there after its last use, if this is its last version."""
    value = run.view.values[position]
    if value.final and position not in run.card:
        _page_out(run, position)
    _drop(run, position)


def _execute(run: _Run, node: int, next_use: list[list[int]], locked: frozenset[int], depth: int) -> None:
    """Brings in what a node reads, makes room for what it writes, runs it."""
    view, op = run.view, run.view.problem.ops[node]
    if depth > 60:
        raise StuckError
    locked = locked | frozenset(view.reads[node])
    for position in sorted(view.reads[node], key=lambda p: -view.values[p].nbytes):
        if position not in run.live:
            _restore(run, position, next_use, locked, depth)
    taken = view.taken[node]
    fresh = [p for p in view.writes[node] if p not in taken and p not in run.live]
    size = sum(view.values[p].nbytes for p in fresh)
    _make_room(run, size + op.workspace_bytes, next_use, locked)
    again = depth > 0
    run.actions.append(Recompute(op.name) if again else Update(op.name) if op.mutates else Compute(op.name))
    run.energy += op.again_pj if again else op.energy_pj
    run.time += op.again_ns if again else op.time_ns
    for new, old in taken.items():
        run.live.discard(old)
        run.live.add(new)
    run.live.update(fresh)
    run.used += size


def _restore(run: _Run, position: int, next_use: list[list[int]], locked: frozenset[int], depth: int) -> None:
    """Brings a value back into RAM."""
    value = run.view.values[position]
    if position in run.card:
        _make_room(run, value.nbytes + value.item.bounce_bytes, next_use, locked)
        run.actions.append(PageIn(value.tensor))
        run.energy += value.item.in_pj
        run.time += value.item.in_ns + value.item.in_cpu_ns
        run.live.add(position)
        run.used += value.nbytes
        return
    if not _again(run, position):
        raise StuckError
    _execute(run, value.producer, next_use, locked, depth + 1)
    for other in run.view.writes[value.producer]:
        if other != position and other in run.live and next_use[other][run.now] > len(run.view.problem.ops):
            _drop(run, other)


def _again(run: _Run, position: int) -> bool:
    """Whether a value may come back by running its producer again."""
    producer = run.view.values[position].producer
    return producer >= 0 and run.policy.rerun and run.view.problem.ops[producer].again


def _pageable(run: _Run, position: int) -> bool:
    """Whether a value may leave by the card: it is there already, or may go there and finds room."""
    item, capacity = run.view.values[position].item, run.view.problem.card_bytes
    if position in run.card or item.on_card:
        return True
    fits = capacity is None or run.card_bytes + item.card_bytes <= capacity
    return item.pageable and run.policy.paging and fits


def _make_room(run: _Run, size: int, next_use: list[list[int]], locked: frozenset[int]) -> None:
    """Evicts until `size` more bytes fit."""
    while run.used + size > run.budget:
        victim, best = -1, float("inf")
        for position in run.live:
            if position in locked:
                continue
            dear = _dearness(run, position, next_use)
            if dear < best:
                victim, best = position, dear
        if victim < 0:
            raise StuckError
        _evict(run, victim, next_use)


def _dearness(run: _Run, position: int, next_use: list[list[int]]) -> float:
    """What an eviction costs per byte and per stage of peace that it buys."""
    value, count = run.view.values[position], len(run.view.problem.ops)
    use = next_use[position][run.now]
    if use > count and not value.final:
        return -1.0
    cost = _price(run, position, 0)
    factor = run.policy.weight[position] * run.policy.spans.get((position, use), 1.0)
    return (cost + 1.0) / (value.nbytes + 1) / (min(use, count) - run.now + 0.5) * factor


def _price(run: _Run, position: int, depth: int) -> float:
    """The energy that bringing a value back will take, as far as can be seen now."""
    value, baseline = run.view.values[position], run.view.problem.baseline_mw
    item, problem = value.item, run.view.problem
    paged = float("inf")
    if _pageable(run, position):
        paged = item.in_pj + baseline * item.in_ns
        if position not in run.card:
            paged += item.out_pj + baseline * item.out_ns
    if run.policy.page[position] and paged < float("inf"):
        return paged
    if not _again(run, position):
        return paged
    op = problem.ops[value.producer]
    cost = op.again_pj + baseline * op.again_ns
    if depth < 12:
        for source in run.view.reads[value.producer]:
            if source not in run.live:
                cost += _price(run, source, depth + 1)
    return cost


def _evict(run: _Run, position: int, next_use: list[list[int]]) -> None:
    value = run.view.values[position]
    needed = value.final or next_use[position][run.now] <= len(run.view.problem.ops)
    by_card = (run.policy.page[position] and _pageable(run, position)) or not _again(run, position)
    if needed and by_card and position not in run.card:
        if not _pageable(run, position):
            raise StuckError
        _page_out(run, position)
    _drop(run, position)


def _page_out(run: _Run, position: int) -> None:
    value = run.view.values[position]
    run.actions.append(PageOut(value.tensor))
    run.card_bytes += 0 if value.item.on_card else value.item.card_bytes
    run.energy += value.item.out_pj
    run.time += value.item.out_ns + value.item.out_cpu_ns
    run.card.add(position)


def _drop(run: _Run, position: int) -> None:
    run.actions.append(Free(run.view.values[position].tensor))
    run.live.discard(position)
    run.used -= run.view.values[position].nbytes


def uses(view: Stages) -> list[list[int]]:
    """[value][stage]: the first stage at or after it whose node reads the value (one past the last node: none)."""
    count = len(view.problem.ops)
    table = []
    for value in view.values:
        row = [count + 1] * (count + 2)
        for k in range(count - 1, -1, -1):
            row[k] = k if k in value.readers else row[k + 1]
        table.append(row)
    return table
