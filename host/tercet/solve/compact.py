# SPDX-License-Identifier: Apache-2.0
"""The compact formulation as rows, and the way back from its solution to actions. Mathematics: formulation.md."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from tercet.solve.rows import Rows
from tercet.solve.stages import Stages, Value

ONE = -1  # the constant 1 where a column could stand
NONE = -2  # the constant 0
Key = tuple  # ("run", k, i), ("out", v), ("pin", k, v, i) or ("held", k, v, i)


@dataclass
class Compact:
    """Columns by meaning.

    run[k, i] is 1 iff node i runs again in stage k. out[v] is 1 iff value v is paged out when it is first produced. pin[k, v, i] is 1
    iff v is paged in right before event (k, i). held[k, v, i] is 1 iff v is in RAM after event (k, i), kept for events that touch
    v; held[k, v, -1] is 1 iff it is in RAM when stage k begins.
    """

    stages: Stages
    rows: Rows
    objective: str
    run: dict[tuple[int, int], int] = field(default_factory=dict)
    out: dict[int, int] = field(default_factory=dict)
    pin: dict[tuple[int, int, int], int] = field(default_factory=dict)
    held: dict[tuple[int, int, int], int] = field(default_factory=dict)
    peak: int = NONE
    last: list[int] = field(default_factory=list)  # value -> last stage in which it can be of use
    banned: Container[Key] = ()
    limit: int = 1 << 62

    def columns(self) -> dict[Key, int]:
        """Every column that a solution decides, under a key that outlives a rebuilding of the rows."""
        keys: dict[Key, int] = {("out", position): column for position, column in self.out.items()}
        for kind, columns in (("run", self.run), ("pin", self.pin), ("held", self.held)):
            keys |= {(kind, *key): column for key, column in columns.items() if column >= 0}
        return keys


def build(
    stages: Stages, objective: str = "energy", *, paging: bool = True, banned: Container[Key] = (), limit: int = 1 << 62
) -> Compact:  # fmt: skip
    """The rows of a problem that minimise `energy` (pJ, static power included), `time` (ns) or `ram` (bytes).

    Serial transfers: the CPU waits for each. Budgets that the problem states become rows. What is `banned`, or costs
    more than `limit` by itself, gets no column.
    """
    problem = stages.problem
    compact = Compact(stages, Rows(), objective, banned=banned, limit=limit)
    if objective == "ram":
        total = sum(v.nbytes for v in stages.values) + max((op.workspace_bytes for op in problem.ops), default=0)
        total += max((v.item.bounce_bytes for v in stages.values), default=0)
        compact.peak = compact.rows.column("peak", high=total, cost=1)
    _decisions(compact, paging)
    memory = _Memory(compact)
    for k in range(len(problem.ops)):
        for node in stages.events[k]:
            if (k, node) in compact.run:
                _event(compact, memory, k, node)
        memory.cross_border(k)
    _end(compact, memory)
    _deadline(compact)
    return compact


def _decisions(compact: Compact, paging: bool) -> None:
    """The columns that cost something."""
    stages, rows = compact.stages, compact.rows
    ops, count = stages.problem.ops, len(stages.events)
    compact.last = [count if value.final else value.producer for value in stages.values]
    possible: dict[int, list[int]] = {}
    for k, nodes in enumerate(stages.events):
        compact.run[k, k] = ONE
        for node in nodes[:-1]:
            possible.setdefault(node, []).append(k)
    # backwards, so that the readers of what a node writes are settled before it
    for node in range(count - 1, -1, -1):
        op = ops[node]
        cost = _cost(compact, op.again_pj, op.again_ns)
        useful = max((compact.last[position] for position in stages.writes[node]), default=-1)
        last = node
        for k in possible.get(node, []) if cost <= compact.limit else ():
            if k <= useful and ("run", k, node) not in compact.banned:
                compact.run[k, node] = rows.column(f"run {k} {op.name}", cost=cost)
                last = k
        for position in stages.reads[node]:
            compact.last[position] = max(compact.last[position], last)
    for value in stages.values:
        if paging and value.item.pageable and compact.last[value.position] > value.producer:
            item = value.item
            cost = _cost(compact, item.out_pj, item.out_ns + item.out_cpu_ns)
            back = _cost(compact, item.in_pj, item.in_ns + item.in_cpu_ns)
            if cost + back <= compact.limit and ("out", value.position) not in compact.banned:
                compact.out[value.position] = rows.column(f"out {item.name}", cost=cost)


def _cost(compact: Compact, energy_pj: int, time_ns: int) -> int:
    if compact.objective == "energy" and compact.stages.problem.overlap:
        return energy_pj  # static power is paid for the makespan, which is a column of its own
    if compact.objective == "energy":
        return energy_pj + round(compact.stages.problem.baseline_mw * time_ns)
    return time_ns if compact.objective == "time" else 0


class _Memory:
    """Which columns say, at the point reached so far, that a value is in RAM, and which say how full RAM is.

    Every row on the extent lists all that is in RAM: a chain of partial sums would be sparser, but hides the knapsacks
    from which solvers derive their cuts (ten times slower on the published instances).
    """

    def __init__(self, compact: Compact) -> None:
        self.compact = compact
        self.now: dict[int, int] = {}
        self.load: list[tuple[int, int]] = []
        self.load_constant = 0
        for value in compact.stages.values:
            if value.producer < 0:
                self.begin(value)

    def begin(self, value: Value) -> None:
        """`value` is in RAM when the step begins; a pageable one may leave at once."""
        compact, column = self.compact, ONE
        if value.position in compact.out:
            column = compact.rows.column(f"held 0 {value.tensor}")
            compact.held[0, value.position, -1] = column
        self.set(value.position, column)

    def set(self, position: int, column: int) -> None:
        """From now on `column` says whether the value is in RAM."""
        size = self.compact.stages.values[position].nbytes
        old, old_constant = _terms(self.now.get(position, NONE), -size)
        new, new_constant = _terms(column, size)
        self.load += old + new
        self.load_constant += old_constant + new_constant
        self.now[position] = column

    def fold(self) -> None:
        """Adds up what has gathered."""
        total: dict[int, int] = {}
        for column, factor in self.load:
            total[column] = total.get(column, 0) + factor
        self.load = [(column, factor) for column, factor in total.items() if factor]

    def cross_border(self, k: int) -> None:
        """Stage k is over: what cannot be of use any more is gone."""
        for position in list(self.now):
            if self.compact.last[position] <= k:
                self.set(position, NONE)
                del self.now[position]
            else:
                self.compact.held[k + 1, position, -1] = self.now[position]


def _terms(column: int, factor: int = 1) -> tuple[list[tuple[int, int]], int]:
    """A column times a factor as (terms, constant)."""
    if column == ONE:
        return [], factor
    return ([], 0) if column == NONE else ([(column, factor)], 0)


def _event(compact: Compact, memory: _Memory, k: int, node: int) -> None:
    """The rows of event (k, node)."""
    stages, rows = compact.stages, compact.rows
    run_terms, run_constant = _terms(compact.run[k, node])
    before: dict[int, tuple[list[tuple[int, int]], int]] = {}
    arrived: list[tuple[int, int]] = []
    for position in stages.reads[node]:
        value = stages.values[position]
        terms, constant = _terms(memory.now.get(position, NONE))
        wanted = position in compact.out and ("pin", k, position, node) not in compact.banned
        if wanted and k > value.producer and _fresh(value, k, node):
            pin = _page_in(compact, value, k, node)
            rows.row([(pin, 1), *_negative(run_terms)], high=run_constant)
            rows.row([*terms, (pin, 1)], high=1 - constant)
            terms = [*terms, (pin, 1)]
            arrived.append((pin, value.nbytes))
        # an execution needs what it reads
        rows.row([*run_terms, *_negative(terms)], high=constant - run_constant)
        before[position] = (terms, constant)
    _bound(compact, memory, (k, node), arrived)
    _after(compact, memory, (k, node), before)
    memory.fold()


def _page_in(compact: Compact, value: Value, k: int, node: int) -> int:
    """The column that pages `value` in right before event (k, node)."""
    item = value.item
    cost = _cost(compact, item.in_pj, item.in_ns + item.in_cpu_ns)
    pin = compact.rows.column(f"pin {k} {value.tensor} {node}", cost=cost)
    compact.pin[k, value.position, node] = pin
    compact.rows.row([(pin, 1), (compact.out[value.position], -1)], high=0)
    return pin


def _negative(terms: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(column, -factor) for column, factor in terms]


def _fresh(value: Value, k: int, node: int) -> bool:
    """Whether a copy on the card would still be valid at event (k, node)."""
    return value.written_by is None or k < value.written_by or (k == value.written_by and node <= k)


def _bound(compact: Compact, memory: _Memory, event: tuple[int, int], arrived: list[tuple[int, int]]) -> None:
    """The extent at an event stays within the budget."""
    stages = compact.stages
    k, node = event
    terms, constant = [*memory.load, *arrived], memory.load_constant
    fresh = sum(
        stages.values[p].nbytes
        for p in stages.writes[node]
        if p not in stages.taken[node] and memory.now.get(p, NONE) != ONE
    )
    run_terms, run_constant = _terms(compact.run[event], fresh + stages.problem.ops[node].workspace_bytes)
    _limit(compact, [*terms, *run_terms], constant + run_constant)
    for position in stages.reads[node]:
        bounce = stages.values[position].item.bounce_bytes
        if bounce and (k, position, node) in compact.pin:
            _limit(compact, [*terms, (compact.pin[k, position, node], bounce)], constant)
    for position in stages.writes[node] if k == node else ():
        bounce = stages.values[position].item.bounce_bytes
        if position in compact.out and bounce:
            _limit(compact, [*terms, (compact.out[position], bounce)], constant + fresh)


def _limit(compact: Compact, terms: list[tuple[int, int]], constant: int) -> None:
    budget = compact.stages.problem.ram_bytes
    if compact.peak != NONE:
        compact.rows.row([*terms, (compact.peak, -1)], high=-constant)
    if budget is not None:
        compact.rows.row(terms, high=budget - constant)


def _after(compact: Compact, memory: _Memory, event: tuple[int, int], before: dict) -> None:
    """What is in RAM after an event."""
    stages = compact.stages
    k, node = event
    run_terms, run_constant = _terms(compact.run[event])
    for position, (terms, constant) in before.items():
        value = stages.values[position]
        if node not in value.takers:
            if not value.final or memory.now.get(position) != ONE:
                _hold(compact, memory, (k, position, node), terms, constant)
        elif compact.run[event] == ONE:
            memory.set(position, NONE)
        else:
            left = [*terms, *_negative(run_terms)]
            _hold(compact, memory, (k, position, node), left, constant - run_constant)
    for position in stages.writes[node]:
        if memory.now.get(position) == ONE or (k == node and _stays(compact, stages.values[position])):
            memory.set(position, ONE)
            continue
        old_terms, old_constant = _terms(memory.now.get(position, NONE))
        # one buffer a tensor; a node of several outputs may run again for the sake of one of them
        if old_terms and (len(stages.writes[node]) == 1 or position in stages.taken[node]):
            compact.rows.row([*old_terms, *run_terms], high=1 - old_constant - run_constant)
        _hold(compact, memory, (k, position, node), [*old_terms, *run_terms], old_constant + run_constant)


def _hold(compact: Compact, memory: _Memory, key: tuple[int, int, int], terms: list, constant: int) -> None:
    """A new column: the value may stay in RAM if it was there."""
    column = compact.rows.column(f"held {key[0]} {compact.stages.values[key[1]].tensor} {key[2]}")
    compact.rows.row([(column, 1), *_negative(terms)], high=constant)
    compact.held[key] = column
    memory.set(key[1], column)


def _stays(compact: Compact, value: Value) -> bool:
    """Whether a value that exists now can only stay in RAM until the end of the step."""
    return value.final and value.position not in compact.out and not stages_again(compact.stages, value)


def stages_again(stages: Stages, value: Value) -> bool:
    """Whether the value could be produced again."""
    return value.producer >= 0 and stages.last_rerun[value.producer] >= 0


def _end(compact: Compact, memory: _Memory) -> None:
    """After the last node: what must be in RAM at the end is there or comes back from the card."""
    stages, rows = compact.stages, compact.rows
    end = len(stages.events)
    constant = 0
    for value in stages.values:
        if not value.final:
            continue
        terms, fixed = _terms(memory.now[value.position])
        if value.position in compact.out:
            pin = _page_in(compact, value, end, end)
            terms = [*terms, (pin, 1)]
        rows.row(terms, high=1 - fixed, low=1 - fixed)
        constant += value.nbytes
    _limit(compact, [], constant)


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
    for position, column in compact.out.items():
        item = compact.stages.values[position].item
        cpu.append((column, item.out_cpu_ns))
        bus.append((column, item.out_ns))
    for (_, position, _), column in compact.pin.items():
        item = compact.stages.values[position].item
        cpu.append((column, item.in_cpu_ns))
        bus.append((column, item.in_ns))
    serial = not problem.overlap
    if compact.objective == "time":
        rows.offset = problem.first_ns
    elif compact.objective == "energy":
        rows.offset = problem.first_pj + (round(problem.baseline_mw * problem.first_ns) if serial else 0)
    if problem.deadline_ns is not None:
        rows.row([*cpu, *(bus if serial else [])], high=problem.deadline_ns - problem.first_ns)
        if not serial:
            rows.row(bus, high=problem.deadline_ns)
    if not serial and compact.objective == "energy" and problem.baseline_mw:
        _makespan(compact, cpu, bus)


def _makespan(compact: Compact, cpu: list[tuple[int, int]], bus: list[tuple[int, int]]) -> None:
    """A column for the makespan in microseconds, rounded down so that the bound stays a bound."""
    rows, first_ns = compact.rows, compact.stages.problem.first_ns
    longest = sum(ns for _, ns in (*cpu, *bus)) + first_ns
    rate = int(compact.stages.problem.baseline_mw * 1000)
    span = rows.column("makespan", high=longest // 1000 + 1, cost=rate)
    rows.row([*cpu, (span, -1000)], high=999 - first_ns)
    rows.row([*bus, (span, -1000)], high=999)
    if compact.stages.problem.deadline_ns is not None:
        rows.row([(span, 1)], high=compact.stages.problem.deadline_ns // 1000)


