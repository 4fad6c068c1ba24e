# SPDX-License-Identifier: Apache-2.0
"""The compact formulation as rows, and the way back from its solution to actions. Mathematics: formulation.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tercet.solve.rows import Rows
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Recompute, Schedule, Update
from tercet.solve.stages import Stages, Value

ONE = -1  # the constant 1 where a column could stand
NONE = -2  # the constant 0


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


def build(stages: Stages, objective: str = "energy", *, paging: bool = True) -> Compact:
    """The rows of a problem that minimise `energy` (pJ, static power included), `time` (ns) or `ram` (bytes).

    Serial transfers: the CPU waits for each. Budgets that the problem states become rows.
    """
    compact = Compact(stages, Rows(), objective)
    problem = stages.problem
    if objective == "ram":
        total = sum(v.nbytes for v in stages.values) + max((op.workspace_bytes for op in problem.ops), default=0)
        total += max((v.item.bounce_bytes for v in stages.values), default=0)
        compact.peak = compact.rows.column("peak", high=total, cost=1)
    _decisions(compact, paging)
    memory = _Memory(compact)
    for k in range(len(problem.ops)):
        for node in stages.events[k]:
            _event(compact, memory, k, node)
        memory.cross_border(k)
    _end(compact, memory)
    _deadline(compact)
    return compact


def _decisions(compact: Compact, paging: bool) -> None:
    """The columns that cost something."""
    stages, rows = compact.stages, compact.rows
    for k, nodes in enumerate(stages.events):
        for node in nodes[:-1]:
            op = stages.problem.ops[node]
            compact.run[k, node] = rows.column(f"run {k} {op.name}", cost=_cost(compact, op.again_pj, op.again_ns))
        compact.run[k, k] = ONE
    for value in stages.values:
        if paging and value.item.pageable and value.last_stage > value.producer:
            item = value.item
            compact.out[value.position] = rows.column(
                f"out {item.name}", cost=_cost(compact, item.out_pj, item.out_ns + item.out_cpu_ns)
            )


def _cost(compact: Compact, energy_pj: int, time_ns: int) -> int:
    if compact.objective == "energy":
        return energy_pj + round(compact.stages.problem.baseline_mw * time_ns)
    return time_ns if compact.objective == "time" else 0


class _Memory:
    """Which columns say, at the point reached so far, that a value is in RAM."""

    def __init__(self, compact: Compact) -> None:
        self.compact = compact
        self.now: dict[int, int] = {}
        for value in compact.stages.values:
            if value.producer < 0:
                self.begin(value, ONE)

    def begin(self, value: Value, column: int) -> None:
        """`value` is in RAM now (ONE), or may be after having been paged out."""
        compact = self.compact
        if column == ONE and value.position in compact.out:
            column = compact.rows.column(f"held 0 {value.tensor}")
            compact.held[0, value.position, -1] = column
        self.now[value.position] = column

    def cross_border(self, k: int) -> None:
        """Stage k is over: what cannot be of use any more is gone."""
        for position in list(self.now):
            value = self.compact.stages.values[position]
            if value.last_stage <= k:
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
    run = compact.run[k, node]
    run_terms, run_constant = _terms(run)
    before: dict[int, tuple[list[tuple[int, int]], int]] = {}
    for position in stages.reads[node]:
        value = stages.values[position]
        terms, constant = _terms(memory.now.get(position, NONE))
        if position in compact.out and k > value.producer and _fresh(value, k, node):
            pin = rows.column(
                f"pin {k} {value.tensor} {node}",
                cost=_cost(compact, value.item.in_pj, value.item.in_ns + value.item.in_cpu_ns),
            )
            compact.pin[k, position, node] = pin
            rows.row([(pin, 1), (compact.out[position], -1)], high=0)
            rows.row([(pin, 1), *_negative(run_terms)], high=run_constant)
            rows.row([*terms, (pin, 1)], high=1 - constant)
            terms = [*terms, (pin, 1)]
        # an execution needs what it reads
        rows.row([*run_terms, *_negative(terms)], high=constant - run_constant)
        before[position] = (terms, constant)
    _bound(compact, memory, k, node, before)
    _after(compact, memory, k, node, before)


def _negative(terms: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(column, -factor) for column, factor in terms]


def _fresh(value: Value, k: int, node: int) -> bool:
    """Whether a copy on the card would still be valid at event (k, node)."""
    return value.written_by is None or k < value.written_by or (k == value.written_by and node <= k)


def _bound(compact: Compact, memory: _Memory, k: int, node: int, before: dict) -> None:
    """The extent at event (k, node) stays within the budget."""
    stages, problem = compact.stages, compact.stages.problem
    budget = problem.ram_bytes
    if budget is None and compact.peak == NONE:
        return
    terms: list[tuple[int, int]] = []
    constant = 0
    paged: list[tuple[int, int]] = []
    for position in {**memory.now, **before}:
        size = stages.values[position].nbytes
        own, fixed = before.get(position) or _terms(memory.now[position])
        terms += [(column, factor * size) for column, factor in own]
        constant += fixed * size
        if (k, position, node) in compact.pin:
            paged.append((position, compact.pin[k, position, node]))
    fresh = sum(
        stages.values[p].nbytes
        for p in stages.writes[node]
        if p not in stages.taken[node] and memory.now.get(p, NONE) != ONE
    )
    run_terms, run_constant = _terms(compact.run[k, node], fresh + problem.ops[node].workspace_bytes)
    _limit(compact, [*terms, *run_terms], constant + run_constant)
    for position, pin in paged:
        if bounce := stages.values[position].item.bounce_bytes:
            _limit(compact, [*terms, (pin, bounce)], constant)
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


def _after(compact: Compact, memory: _Memory, k: int, node: int, before: dict) -> None:
    """What is in RAM after event (k, node)."""
    stages = compact.stages
    run_terms, run_constant = _terms(compact.run[k, node])
    for position, (terms, constant) in before.items():
        value = stages.values[position]
        if node in value.takers:
            if compact.run[k, node] == ONE:
                memory.now[position] = NONE
                continue
            terms, constant = [*terms, *_negative(run_terms)], constant - run_constant
        elif value.final and memory.now.get(position) == ONE:
            continue
        _hold(compact, memory, (k, position, node), terms, constant)
    for position in stages.writes[node]:
        if memory.now.get(position) == ONE or (k == node and _stays(compact, stages.values[position])):
            memory.now[position] = ONE
            continue
        old_terms, old_constant = _terms(memory.now.get(position, NONE))
        # one buffer a tensor; a node of several outputs may run again for the sake of one of them
        if old_terms and (len(stages.writes[node]) == 1 or position in stages.taken[node]):
            compact.rows.row([*old_terms, *run_terms], high=1 - old_constant - run_constant)
        _hold(compact, memory, (k, position, node), [*old_terms, *run_terms], old_constant + run_constant)


def _hold(compact: Compact, memory: _Memory, key: tuple[int, int, int], terms: list, constant: int) -> None:
    """A new column: the value may stay in RAM if it was there; a final value must stay or be on the card."""
    value = compact.stages.values[key[1]]
    if key[0] == len(compact.stages.events) - 1 and key[2] == key[0] and not value.final:
        return
    column = compact.rows.column(f"held {key[0]} {value.tensor} {key[2]}")
    compact.rows.row([(column, 1), *_negative(terms)], high=constant)
    compact.held[key] = column
    memory.now[key[1]] = column


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
            item = value.item
            pin = rows.column(f"pin end {item.name}", cost=_cost(compact, item.in_pj, item.in_ns + item.in_cpu_ns))
            compact.pin[end, value.position, end] = pin
            rows.row([(pin, 1), (compact.out[value.position], -1)], high=0)
            terms = [*terms, (pin, 1)]
        rows.row(terms, high=1 - fixed, low=1 - fixed)
        constant += value.nbytes
    _limit(compact, [], constant)


def _deadline(compact: Compact) -> None:
    problem = compact.stages.problem
    if compact.objective == "time":
        compact.rows.offset = problem.first_ns
    elif compact.objective == "energy":
        compact.rows.offset = problem.first_pj + round(problem.baseline_mw * problem.first_ns)
    if problem.deadline_ns is None:
        return
    terms = []
    for (k, node), column in compact.run.items():
        if column != ONE and k != node:
            terms.append((column, problem.ops[node].again_ns))
    for position, column in compact.out.items():
        item = compact.stages.values[position].item
        terms.append((column, item.out_ns + item.out_cpu_ns))
    for (_, position, _), column in compact.pin.items():
        item = compact.stages.values[position].item
        terms.append((column, item.in_ns + item.in_cpu_ns))
    compact.rows.row(terms, high=problem.deadline_ns - problem.first_ns)


def decode(compact: Compact, solution: Sequence[int], strategy: str) -> Schedule:
    """The actions that a solution of the rows states."""
    stages = compact.stages
    problem = stages.problem

    def on(column: int | None) -> bool:
        return column == ONE or (column is not None and column >= 0 and round(solution[column]) == 1)

    actions: list[Action] = []
    live: dict[str, int] = {}
    for value in stages.values:
        if value.producer < 0:
            live[value.tensor] = value.position
            if on(compact.out.get(value.position)):
                actions.append(PageOut(value.tensor))
    for value in stages.values:
        if value.producer < 0 and not on(compact.held.get((0, value.position, -1), ONE)):
            actions.append(Free(value.tensor))
            del live[value.tensor]
    for k, nodes in enumerate(stages.events):
        for node in nodes:
            if not on(compact.run[k, node]):
                _frees(compact, on, actions, live, k, node)
                continue
            for position in stages.reads[node]:
                if on(compact.pin.get((k, position, node))):
                    tensor = stages.values[position].tensor
                    actions.append(PageIn(tensor))
                    live[tensor] = position
            op = problem.ops[node]
            actions.append(Recompute(op.name) if k != node else Update(op.name) if op.mutates else Compute(op.name))
            for new, old in stages.taken[node].items():
                live.pop(stages.values[old].tensor, None)
                live[stages.values[new].tensor] = new
            for position in stages.writes[node]:
                live[stages.values[position].tensor] = position
                if k == node and on(compact.out.get(position)):
                    actions.append(PageOut(stages.values[position].tensor))
            _frees(compact, on, actions, live, k, node)
    end = len(stages.events)
    back = [value.tensor for value in stages.values if on(compact.pin.get((end, value.position, end)))]
    return Schedule((*actions, *map(PageIn, back)), strategy, inputs=dict(problem.inputs))


def _frees(compact: Compact, on, actions: list[Action], live: dict[str, int], k: int, node: int) -> None:
    """Frees what the solution no longer holds after event (k, node)."""
    stages = compact.stages
    touched = {*stages.reads[node], *stages.writes[node]}
    for tensor, position in list(live.items()):
        value = stages.values[position]
        gone = position in touched and (k, position, node) in compact.held and not on(compact.held[k, position, node])
        over = node == k and not value.final and value.last_stage <= k
        if gone or over:
            actions.append(Free(tensor))
            del live[tensor]
