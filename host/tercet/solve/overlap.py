# SPDX-License-Identifier: Apache-2.0
"""Transfers beside the CPU: page-ins are begun early and frees behind page-outs come late, where RAM has room.

`spread` does so in one pass; `hide` then tries other places for each page-in. The order of the actions decides over RAM; so
whatever these passes move, the replay judges, and only what makes the step cheaper or shorter is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tercet.solve.machine import IllegalError, Machine
from tercet.solve.outcome import Replay
from tercet.solve.problem import Problem
from tercet.solve.replay import replay, step
from tercet.solve.schedule import Action, Free, PageIn, PageOut, Runs, Schedule
from tercet.solve.tidy import without_useless

# How many executions earlier a page-in may begin, and how many actions are replayed in search of better places.
REACH = 16
EFFORT = 60_000


def hide(problem: Problem, schedule: Schedule, *, rounds: int = 3) -> Schedule:
    """The schedule with its transfers placed so that they hide; the same one when there is nothing to gain."""
    if not problem.overlap or not any(isinstance(action, PageIn | PageOut) for action in schedule.actions):
        return schedule
    free = replace(problem, deadline_ns=None)
    first = replay(free, schedule)
    if not first.legal:
        return schedule
    best, least = schedule, _rank(first)
    at_once = sent_at_once(free, schedule)
    for trial in (spread(free, at_once), late(free, at_once), spread(free, schedule), late(free, schedule)):
        best, least = _better(free, trial, best, least)
    left = EFFORT // len(best.actions)
    for _ in range(rounds):
        before = least
        for index in range(len(best.paged_in)):
            for trial in _elsewhere(free, best, index):
                best, least = _better(free, trial, best, least)
                left -= 1
                if not left:
                    return best
        if least == before:
            break
    return best


def spread(problem: Problem, schedule: Schedule) -> Schedule:
    """The schedule with each page-in as early as it takes to hide it and as RAM allows, each free as late as RAM allows."""
    return late(problem, replace(schedule, actions=tuple(_early(problem, schedule))))


def sent_at_once(problem: Problem, schedule: Schedule) -> Schedule:
    """The schedule with each page-out right behind what wrote the tensor."""
    actions: list[Action] = []
    for action in schedule.actions:
        at = len(actions)
        while isinstance(action, PageOut) and at and not _writes(problem, actions[at - 1], action.tensor):
            at -= 1
        actions.insert(at or len(actions), action)
    return replace(schedule, actions=tuple(actions))


def _writes(problem: Problem, action: Action, tensor: str) -> bool:
    """Whether a tensor's value in RAM is made by this action."""
    if not isinstance(action, Runs):
        return action.tensor == tensor
    op = problem.ops[problem.index[action.node]]
    return tensor in op.outputs or tensor in op.mutates


def _rank(outcome: Replay) -> tuple[int, int]:
    return outcome.energy_pj, outcome.time_ns


def _better(
    problem: Problem, trial: Schedule, best: Schedule, least: tuple[int, int]
) -> tuple[Schedule, tuple[int, int]]:  # fmt: skip
    """The better of two schedules with its rank."""
    outcome = replay(problem, trial)
    return (trial, _rank(outcome)) if outcome.legal and _rank(outcome) < least else (best, least)


def _elsewhere(problem: Problem, schedule: Schedule, index: int) -> Iterator[Schedule]:
    """The schedules in which the page-in with that index begins before another of the executions that come before its reader."""
    actions = list(schedule.actions)
    places = [i for i, action in enumerate(actions) if isinstance(action, PageIn)]
    if index >= len(places):
        return
    action = actions.pop(places[index])
    runs = 0
    for at in range(_reader(problem, actions, places[index], schedule.paged_in[index]), -1, -1):
        if isinstance(actions[at], Runs):
            if at != places[index]:
                yield late(problem, replace(schedule, actions=(*actions[:at], action, *actions[at:])))
            runs += 1
        if runs == REACH or (at and _sends(actions[at - 1], schedule.paged_in[index])):
            return


def _reader(problem: Problem, actions: list[Action], start: int, tensor: str) -> int:
    """Where the next execution stands that reads the tensor; the last action when none does."""
    for at in range(start, len(actions)):
        action = actions[at]
        if isinstance(action, Runs) and tensor in problem.ops[problem.index[action.node]].reads:
            return at
    return len(actions) - 1


def _sends(action: Action, tensor: str) -> bool:
    """Whether this action takes the tensor from RAM, before which it cannot come back."""
    return isinstance(action, Free | PageOut) and action.tensor == tensor


def _early(problem: Problem, schedule: Schedule) -> list[Action]:
    """Page-ins begin so early that what runs before their readers hides them, if RAM has room for so long."""
    actions = list(schedule.actions)
    outcome = replay(problem, schedule)
    used = [event.bytes_during for event in outcome.events]
    room = problem.ram_bytes if problem.ram_bytes is not None else 1 << 60
    for index in range(len(used)):
        action = actions[index]
        if not isinstance(action, PageIn):
            continue
        item = problem.items[action.tensor]
        nbytes, hidden_ns, at, place = item.nbytes + item.bounce_bytes, 0, index, index
        while at and hidden_ns < item.in_ns + item.in_cpu_ns and used[at - 1] + nbytes <= room:
            other = actions[at - 1]
            if isinstance(other, PageIn) or _sends(other, action.tensor):
                break
            at -= 1
            if isinstance(other, Runs):
                hidden_ns += problem.ops[problem.index[other.node]].time_ns
                place = at
        actions[place : index + 1] = [action, *actions[place:index]]
        used[place : index + 1] = [used[index], *(n + item.nbytes for n in used[place:index])]
    return actions


def late(problem: Problem, schedule: Schedule) -> Schedule:
    """The schedule in which no free waits for its page-out, and no page-in for RAM, before something needs them.

    What is still in RAM when it would come back stays there. Returns the same one when it cannot be executed.
    """
    machine = Machine(problem)
    machine.begin(schedule.on_card)
    walk = _Late(machine, problem.ram_bytes if problem.ram_bytes is not None else 1 << 60)
    try:
        for action in schedule.actions:
            walk.take(action)
        walk.end()
    except IllegalError:
        return schedule
    actions = without_useless(problem, walk.actions) if walk.stayed else walk.actions
    return replace(schedule, actions=tuple(actions))


@dataclass
class _Late:
    """A walk along a schedule: frees wait in `leaving` for the end of their page-outs, page-ins in `coming` for RAM."""

    machine: Machine
    room: int
    actions: list[Action] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    coming: list[str] = field(default_factory=list)
    stayed: bool = False

    def take(self, action: Action) -> None:
        """Executes an action, or keeps it for later."""
        self._settle()
        if isinstance(action, Free):
            if action.tensor in self.coming:
                self.coming.remove(action.tensor)
            elif self.machine.leaving.get(action.tensor, 0) > self.machine.cpu_ns:
                self.leaving.append(action.tensor)
            else:
                self._do(action)
        elif isinstance(action, PageIn):
            if action.tensor in self.leaving:
                self.leaving.remove(action.tensor)
                self.stayed = True
            else:
                self.coming.append(action.tensor)
                self._settle()
        elif isinstance(action, PageOut):
            self._need((action.tensor,), ())
            self._make(self.machine.item(action.tensor).bounce_bytes)
            self._do(action)
        else:
            op = self.machine.op(action.node)
            self._need(op.reads, op.outputs)
            taken = dict(op.inplace)
            fresh = (t for t in op.outputs if t not in taken and t not in self.machine.resident)
            self._make(op.workspace_bytes + sum(self.machine.problem.items[t].nbytes for t in fresh))
            self._do(action)

    def end(self) -> None:
        """What is left at the end of the step."""
        self._need(tuple(self.coming), tuple(self.leaving))

    def _do(self, action: Action) -> None:
        step(self.machine, action)
        self.actions.append(action)

    def _settle(self) -> None:
        """Frees what has left, and begins the page-ins for which there is room."""
        for tensor in list(self.leaving):
            if self.machine.leaving.get(tensor, 0) <= self.machine.cpu_ns:
                self._free(tensor)
        while self.coming and self.machine.live_bytes + self._size(self.coming[0]) <= self.room:
            self._do(PageIn(self.coming.pop(0)))

    def _need(self, reads: tuple[str, ...], writes: tuple[str, ...]) -> None:
        """What is read must be there or on its way, the buffer of what is written anew must not be that of its old value."""
        for tensor in writes:
            if tensor in self.leaving:
                self._free(tensor)
        while any(tensor in self.coming for tensor in reads):
            self._make(self._size(self.coming[0]))
            self._do(PageIn(self.coming.pop(0)))

    def _make(self, nbytes: int) -> None:
        """Waits for as many page-outs as it takes until so much fits."""
        while self.leaving and self.machine.live_bytes + nbytes > self.room:
            self._free(min(self.leaving, key=lambda tensor: self.machine.leaving.get(tensor, 0)))

    def _free(self, tensor: str) -> None:
        self.leaving.remove(tensor)
        self._do(Free(tensor))

    def _size(self, tensor: str) -> int:
        item = self.machine.item(tensor)
        return item.nbytes + item.bounce_bytes
