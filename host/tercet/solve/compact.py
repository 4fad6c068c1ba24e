# SPDX-License-Identifier: Apache-2.0
"""The compact formulation as rows. Mathematics: formulation.md."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from tercet.solve.columns import ONE, Compact, Key, cost_of
from tercet.solve.events import Memory, add_event, bound_ram, page_in, terms_of
from tercet.solve.knapsack import tighten
from tercet.solve.problem import Item
from tercet.solve.rows import Rows
from tercet.solve.stages import Stages


def build(
    stages: Stages, objective: str = "energy", *, paging: bool = True, banned: Container[Key] = (), limit: int = 1 << 62,
    homes: bool = False,
) -> Compact:  # fmt: skip
    """The rows of a problem that minimise `energy` (pJ, static power included), `time` (ns) or `ram` (bytes).

    Serial transfers: the CPU waits for each. Budgets that the problem states become rows. What is `banned`, or costs
    more than `limit` by itself, gets no column. With `homes` the rows also decide which movable weights live on the card, for
    serial transfers without a deadline or a card's capacity.
    """
    problem = stages.problem
    compact = Compact(stages, Rows(), objective, banned=banned, limit=limit)
    if objective == "ram":
        total = sum(v.nbytes for v in stages.values) + max((op.workspace_bytes for op in problem.ops), default=0)
        total += max((v.item.bounce_bytes for v in stages.values), default=0)
        compact.peak = compact.rows.column("peak", high=total, cost=1)
    if homes:
        _homes(compact)
    _decisions(compact, paging)
    memory = Memory(compact)
    for k in range(len(problem.ops)):
        for node in stages.events[k]:
            if (k, node) in compact.run:
                add_event(compact, memory, k, node)
        memory.cross_border(k)
    _end(compact, memory)
    _deadline(compact)
    _card(compact)
    tighten(compact.rows)
    return compact


def _homes(compact: Compact) -> None:
    """A column for each movable weight; one on the card pays its way home, if it was written."""
    for value in compact.stages.values:
        item = value.item
        if value.final and item.movable and item.persistent and not item.on_card:
            back = cost_of(compact, item.out_pj, item.out_ns + item.out_cpu_ns) if value.producer >= 0 else 0
            compact.home[value.tensor] = compact.rows.column(f"home {value.tensor}", cost=back)


def _decisions(compact: Compact, paging: bool) -> None:
    """The columns that cost something."""
    stages, rows = compact.stages, compact.rows
    ops, count = stages.problem.ops, len(stages.events)
    compact.last = [count if value.final and not value.item.on_card else value.producer for value in stages.values]
    possible: dict[int, list[int]] = {}
    for k, nodes in enumerate(stages.events):
        compact.run[k, k] = ONE
        for node in nodes[:-1]:
            possible.setdefault(node, []).append(k)
    # backwards, so that the readers of what a node writes are settled before it
    for node in range(count - 1, -1, -1):
        op = ops[node]
        cost = cost_of(compact, op.again_pj, op.again_ns)
        useful = max((compact.last[position] for position in stages.writes[node]), default=-1)
        last = node
        for k in possible.get(node, []) if cost <= compact.limit else ():
            if k <= useful and ("run", k, node) not in compact.banned and _is_due(compact, k, node):
                compact.run[k, node] = rows.column(f"run {k} {op.name}", cost=cost)
                _wait(compact, k, node)
                last = k
        for position in stages.reads[node]:
            compact.last[position] = max(compact.last[position], last)
    for value in stages.values:
        home = compact.home.get(value.tensor)
        if home is not None:
            compact.out[value.position] = home
            if value.producer >= 0 and not value.final:
                # between two updates: a page-out that may be made, of what lives on the card
                cost = cost_of(compact, value.item.out_pj, value.item.out_ns + value.item.out_cpu_ns)
                compact.out[value.position] = rows.column(f"out {value.tensor}", cost=cost)
                rows.row([(compact.out[value.position], 1), (home, -1)], high=0)
            continue
        at_home = value.item.on_card and value.final
        if paging and value.item.pageable and (at_home or compact.last[value.position] > value.producer):
            item = value.item
            if item.on_card and (value.producer < 0 or value.final):
                # there when the step begins; up to date when it ends
                compact.out[value.position] = ONE
                continue
            cost = cost_of(compact, item.out_pj, item.out_ns + item.out_cpu_ns)
            back = cost_of(compact, item.in_pj, item.in_ns + item.in_cpu_ns)
            if cost + back <= compact.limit and ("out", value.position) not in compact.banned:
                compact.out[value.position] = rows.column(f"out {item.name}", cost=cost)


def _awaited(compact: Compact, node: int) -> set[int] | None:
    """The readers that a node can wait for; None too where weights that it reads may turn out to live on the card."""
    return None if compact.home else compact.stages.awaited[node]


def _is_due(compact: Compact, k: int, node: int) -> bool:
    """Whether the node, if it can wait for its readers, may have one in stage k."""
    awaited = _awaited(compact, node)
    return awaited is None or any((k, reader) in compact.run for reader in awaited)


def _wait(compact: Compact, k: int, node: int) -> None:
    """A node that can wait for its readers runs again only in a stage in which one of them runs."""
    awaited = _awaited(compact, node)
    if awaited is not None and k not in awaited:
        readers = [compact.run[k, reader] for reader in awaited if (k, reader) in compact.run]
        compact.rows.row([(compact.run[k, node], 1), *((column, -1) for column in readers)], high=0)


def _end(compact: Compact, memory: Memory) -> None:
    """After the last node: what must be in RAM at the end is there or comes back from the card."""
    stages, rows = compact.stages, compact.rows
    end = len(stages.events)
    constant = 0
    for value in stages.values:
        if not value.final or value.item.on_card:
            continue
        terms, fixed = terms_of(memory.now[value.position])
        if value.tensor in compact.home:
            rows.row([*terms, (compact.home[value.tensor], 1)], high=1 - fixed, low=1 - fixed)
            continue
        if value.position in compact.out:
            pin = page_in(compact, value, end, end)
            terms = [*terms, (pin, 1)]
        rows.row(terms, high=1 - fixed, low=1 - fixed)
        constant += value.nbytes
    bound_ram(compact, [], constant)


def _deadline(compact: Compact) -> None:
    """The makespan: within the deadline, and paid for at static power.

    Serial: the sum of all that runs. With overlap it is at least the CPU's sum and at least the bus's, which bounds
    every order of the transfers; how near a schedule comes to it is for the replay to say.
    """
    problem, rows = compact.stages.problem, compact.rows
    cpu: list[tuple[int, int]] = []
    bus: list[tuple[int, int]] = []
    for (k, node), column in compact.run.items():
        if k != node:
            cpu.append((column, problem.ops[node].again_ns))
    fixed = Fixed()
    for position, column in compact.out.items():
        value = compact.stages.values[position]
        if column != ONE:
            cpu.append((column, value.item.out_cpu_ns))
            bus.append((column, value.item.out_ns))
        elif value.producer >= 0:
            fixed.add(compact, value.item)
    fixed.cpu_ns += problem.first_ns
    for (_, position, _), column in compact.pin.items():
        item = compact.stages.values[position].item
        cpu.append((column, item.in_cpu_ns))
        bus.append((column, item.in_ns))
    serial = not problem.overlap
    if compact.objective == "time":
        rows.offset = problem.first_ns + fixed.cost
    elif compact.objective == "energy":
        rows.offset = problem.first_pj + (round(problem.baseline_mw * problem.first_ns) if serial else 0) + fixed.cost
    if problem.deadline_ns is not None:
        rows.row([*cpu, *(bus if serial else [])], high=problem.deadline_ns - fixed.cpu_ns - (fixed.bus_ns if serial else 0))
        if not serial:
            rows.row(bus, high=problem.deadline_ns - fixed.bus_ns)
    if not serial and compact.objective == "energy" and problem.baseline_mw:
        _makespan(compact, cpu, bus, fixed)


@dataclass
class Fixed:
    """What every schedule pays: first executions, and the way home of what lives on the card."""

    cpu_ns: int = 0
    bus_ns: int = 0
    cost: int = 0

    def add(self, compact: Compact, item: Item) -> None:
        """A page-out that is no decision."""
        self.cpu_ns += item.out_cpu_ns
        self.bus_ns += item.out_ns
        self.cost += cost_of(compact, item.out_pj, item.out_ns + item.out_cpu_ns)


def _card(compact: Compact) -> None:
    """What goes to the card fits there; every tensor has one place, whichever of its versions lies in it."""
    capacity = compact.stages.problem.card_bytes
    if capacity is None:
        return
    versions: dict[str, list[int]] = {}
    for position, column in compact.out.items():
        versions.setdefault(compact.stages.values[position].tensor, []).append(column)
    terms = []
    for tensor, columns in versions.items():
        nbytes = compact.stages.problem.items[tensor].card_bytes
        if ONE in columns:
            capacity -= nbytes
            continue
        place = columns[0]
        if len(columns) > 1:
            place = compact.rows.column(f"place {tensor}")
            for column in columns:
                compact.rows.row([(column, 1), (place, -1)], high=0)
        terms.append((place, nbytes))
    compact.rows.row(terms, high=capacity)


def _makespan(compact: Compact, cpu: list[tuple[int, int]], bus: list[tuple[int, int]], fixed: Fixed) -> None:
    """A column for the makespan in microseconds, rounded down so that the bound stays a bound."""
    rows = compact.rows
    longest = sum(ns for _, ns in (*cpu, *bus)) + fixed.cpu_ns + fixed.bus_ns
    rate = int(compact.stages.problem.baseline_mw * 1000)
    span = rows.column("makespan", high=longest // 1000 + 1, cost=rate)
    rows.row([*cpu, (span, -1000)], high=999 - fixed.cpu_ns)
    rows.row([*bus, (span, -1000)], high=999 - fixed.bus_ns)
    if compact.stages.problem.deadline_ns is not None:
        rows.row([(span, 1)], high=compact.stages.problem.deadline_ns // 1000)


