# SPDX-License-Identifier: Apache-2.0
"""The rows of one event: what is read is there, RAM suffices, what stays is held."""

from __future__ import annotations

from tercet.solve.columns import NONE, ONE, Compact, cost_of
from tercet.solve.stages import Stages, Value


class Memory:
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
        home = compact.home.get(value.tensor)
        if home is not None:
            column = compact.rows.column(f"held 0 {value.tensor}")
            compact.rows.row([(column, 1), (home, 1)], high=1, low=1)
            compact.held[0, value.position, -1] = column
        elif value.item.on_card:
            column = compact.held[0, value.position, -1] = NONE
        elif value.position in compact.out:
            column = compact.rows.column(f"held 0 {value.tensor}")
            compact.held[0, value.position, -1] = column
        self.set(value.position, column)

    def set(self, position: int, column: int) -> None:
        """From now on `column` says whether the value is in RAM."""
        size = self.compact.stages.values[position].nbytes
        old, old_constant = terms_of(self.now.get(position, NONE), -size)
        new, new_constant = terms_of(column, size)
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


def terms_of(column: int, factor: int = 1) -> tuple[list[tuple[int, int]], int]:
    """A column times a factor as (terms, constant)."""
    if column == ONE:
        return [], factor
    return ([], 0) if column == NONE else ([(column, factor)], 0)


def add_event(compact: Compact, memory: Memory, k: int, node: int) -> None:
    """The rows of event (k, node)."""
    stages, rows = compact.stages, compact.rows
    run_terms, run_constant = terms_of(compact.run[k, node])
    before: dict[int, tuple[list[tuple[int, int]], int]] = {}
    arrived: list[tuple[int, int]] = []
    for position in stages.reads[node]:
        value = stages.values[position]
        terms, constant = terms_of(memory.now.get(position, NONE))
        wanted = position in compact.out and ("pin", k, position, node) not in compact.banned
        if wanted and k > value.producer and _fresh(value, k, node):
            pin = page_in(compact, value, k, node)
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
    if k == node:
        _bound_page_outs(compact, memory, node)


def page_in(compact: Compact, value: Value, k: int, node: int) -> int:
    """The column that pages `value` in right before event (k, node)."""
    item = value.item
    cost = cost_of(compact, item.in_pj, item.in_ns + item.in_cpu_ns)
    pin = compact.rows.column(f"pin {k} {value.tensor} {node}", cost=cost)
    compact.pin[k, value.position, node] = pin
    terms, constant = terms_of(compact.out[value.position])
    compact.rows.row([(pin, 1), *_negative(terms)], high=constant)
    return pin


def _negative(terms: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(column, -factor) for column, factor in terms]


def _fresh(value: Value, k: int, node: int) -> bool:
    """Whether a copy on the card would still be valid at event (k, node)."""
    return value.written_by is None or k < value.written_by or (k == value.written_by and node <= k)


def _bound(compact: Compact, memory: Memory, event: tuple[int, int], arrived: list[tuple[int, int]]) -> None:
    """The extent at an event stays within the budget."""
    stages = compact.stages
    k, node = event
    terms, constant = [*memory.load, *arrived], memory.load_constant
    fresh = sum(
        stages.values[p].nbytes
        for p in stages.writes[node]
        if p not in stages.taken[node] and memory.now.get(p, NONE) != ONE
    )
    run_terms, run_constant = terms_of(compact.run[event], fresh + stages.problem.ops[node].workspace_bytes)
    bound_ram(compact, [*terms, *run_terms], constant + run_constant)
    for position in stages.reads[node]:
        bounce = stages.values[position].item.bounce_bytes
        if bounce and (k, position, node) in compact.pin:
            bound_ram(compact, [*terms, (compact.pin[k, position, node], bounce)], constant)


def _bound_page_outs(compact: Compact, memory: Memory, node: int) -> None:
    """What is paged out leaves after the event, when what is not held has gone; its source is there until then."""
    stages = compact.stages
    leaving = [p for p in stages.writes[node] if p in compact.out]
    for position in leaving:
        bounce = stages.values[position].item.bounce_bytes
        if not bounce:
            continue
        constant = memory.load_constant + sum(stages.values[p].nbytes for p in leaving)
        terms = list(memory.load)
        for other in leaving:
            held, fixed = terms_of(memory.now.get(other, NONE), -stages.values[other].nbytes)
            terms, constant = terms + held, constant + fixed
        # without a page-out the row asks for no more than the event itself did
        out_terms, out_constant = terms_of(compact.out[position], bounce)
        bound_ram(compact, [*terms, *out_terms], constant + out_constant)


def bound_ram(compact: Compact, terms: list[tuple[int, int]], constant: int) -> None:
    budget = compact.stages.problem.ram_bytes
    if compact.peak != NONE:
        compact.rows.row([*terms, (compact.peak, -1)], high=-constant)
    if budget is not None:
        compact.rows.row(terms, high=budget - constant)


def _after(compact: Compact, memory: Memory, event: tuple[int, int], before: dict) -> None:
    """What is in RAM after an event."""
    stages = compact.stages
    k, node = event
    run_terms, run_constant = terms_of(compact.run[event])
    for position, (terms, constant) in before.items():
        value = stages.values[position]
        if node not in value.takers:
            if not value.final or value.item.on_card or memory.now.get(position) != ONE:
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
        old_terms, old_constant = terms_of(memory.now.get(position, NONE))
        # one buffer a tensor; a node of several outputs may run again for the sake of one of them
        if old_terms and (len(stages.writes[node]) == 1 or position in stages.taken[node]):
            compact.rows.row([*old_terms, *run_terms], high=1 - old_constant - run_constant)
        _hold(compact, memory, (k, position, node), [*old_terms, *run_terms], old_constant + run_constant)


def _hold(compact: Compact, memory: Memory, key: tuple[int, int, int], terms: list, constant: int) -> None:
    """A new column: the value may stay in RAM if it was there."""
    column = compact.rows.column(f"held {key[0]} {compact.stages.values[key[1]].tensor} {key[2]}")
    compact.rows.row([(column, 1), *_negative(terms)], high=constant)
    home = compact.home.get(compact.stages.values[key[1]].tensor)
    if home is not None:
        # what lives in RAM never leaves it
        compact.rows.row([(column, 1), (home, 1)], low=1)
    compact.held[key] = column
    memory.set(key[1], column)


def _stays(compact: Compact, value: Value) -> bool:
    """Whether a value that exists now can only stay in RAM until the end of the step."""
    return value.final and value.position not in compact.out and not stages_again(compact.stages, value)


def stages_again(stages: Stages, value: Value) -> bool:
    """Whether the value could be produced again."""
    return value.producer >= 0 and stages.last_rerun[value.producer] >= 0
