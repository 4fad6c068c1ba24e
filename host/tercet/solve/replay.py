# SPDX-License-Identifier: Apache-2.0
"""The judge: executes a schedule on paper. It knows no solver.

RAM is taken and released in the order of the actions; time runs on two clocks, the CPU's and the bus's. A transfer
starts when its
action comes up and the bus is free; what needs its result waits for it. Without overlap the CPU waits for every transfer at once.
With it, checksum and cipher take their share of the CPU from what is computed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

from tercet.solve.machine import IllegalError, Machine
from tercet.solve.outcome import Event, Replay
from tercet.solve.problem import Op, Problem
from tercet.solve.schedule import Action, Compute, PageIn, PageOut, Recompute, Schedule, Update, say


def replay(problem: Problem, schedule: Schedule, delays_ns: Sequence[int] = ()) -> Replay:
    """The outcome of a schedule: legality with a reason, extent in RAM at every event, energy, makespan.

    The budgets of `problem` are judged too. The n-th transfer takes `delays_ns[n]` longer. Never raises for an illegal schedule.
    """
    machine = Machine(problem, delays_ns=chain(delays_ns, repeat(0)))
    machine.begin(schedule.on_card)
    events: list[Event] = []
    reason = ""
    try:
        for action in schedule.actions:
            events.append(step(machine, action))
        _finish(machine)
        _judge(problem, machine, events)
    except IllegalError as error:
        at = (
            f"action {len(events)} ({say(schedule.actions[len(events)])}): "
            if len(events) < len(schedule.actions)
            else ""
        )
        reason = at + error.message
    return _result(machine, events, reason)


def check(problem: Problem, schedule: Schedule) -> Replay:
    """The replay of a legal schedule; raises `IllegalError` on any other."""
    outcome = replay(problem, schedule)
    if not outcome.legal:
        raise IllegalError(f"schedule {schedule.strategy or ''} is illegal: {outcome.reason}".replace("  ", " "))
    return outcome


def step(machine: Machine, action: Action) -> Event:
    """One action; raises IllegalError. Budgets are not looked at."""
    start = machine.cpu_ns
    if isinstance(action, Compute | Recompute | Update):
        return _run(machine, action, start)
    if isinstance(action, PageOut):
        return _page_out(machine, action, start)
    if isinstance(action, PageIn):
        return _page_in(machine, action, start)
    item = machine.item(action.tensor)
    before = machine.live_bytes
    if action.tensor not in machine.resident:
        raise IllegalError(f"{action.tensor} is not in RAM")
    if item.persistent and machine.card.get(action.tensor) != machine.written.get(action.tensor, 0):
        raise IllegalError(f"the only valid copy of {action.tensor} would be lost")
    machine.release(action.tensor)
    return Event(action, "free", start, machine.cpu_ns, before, machine.live_bytes)


def _run(machine: Machine, action: Compute | Recompute | Update, start: int) -> Event:
    """An execution, first or further."""
    op = machine.op(action.node)
    first = _which(machine, action, op)
    for tensor in op.reads:
        if tensor not in machine.resident:
            raise IllegalError(f"{tensor} is not in RAM")
        if machine.resident[tensor] != machine.problem.versions[op.name, tensor]:
            raise IllegalError(f"{tensor} has been written since; {op.name} would not compute the same")
        machine.settle_in(tensor)
    destroyed = {source for _, source in op.inplace}
    for tensor in (*op.mutates, *destroyed):
        machine.settle_out(tensor)
    taken = dict(op.inplace)
    fresh = [tensor for tensor in op.outputs if tensor not in taken and tensor not in machine.resident]
    if any(tensor in machine.resident for tensor in taken) or not (first or fresh or taken):
        raise IllegalError(f"every output of {op.name} is in RAM already")
    during = machine.live_bytes + op.workspace_bytes + sum(machine.problem.items[t].nbytes for t in fresh)
    machine.compute(op.time_ns if first else op.again_ns)
    _write(machine, op, fresh)
    phase = op.phase if first else "recompute"
    return Event(
        action, phase, start, machine.cpu_ns, during, machine.live_bytes, op.energy_pj if first else op.again_pj
    )


def _which(machine: Machine, action: Compute | Recompute | Update, op: Op) -> bool:
    """Whether this is the first execution; raises IllegalError when the verb or the order is wrong."""
    position = machine.problem.index[op.name]
    if isinstance(action, Recompute):
        if position >= machine.ran:
            raise IllegalError(f"{op.name} has not run yet")
        if not op.again:
            raise IllegalError(f"{op.name} has a side effect and runs once a step")
        return False
    if position < machine.ran:
        raise IllegalError(f"{op.name} has run already")
    if position > machine.ran:
        raise IllegalError(f"{machine.problem.ops[machine.ran].name} must run before {op.name}")
    if isinstance(action, Update) != bool(op.mutates):
        raise IllegalError(f"{op.name} {'writes weights or state' if op.mutates else 'writes no weights'}; wrong verb")
    machine.ran += 1
    return True


def _write(machine: Machine, op: Op, fresh: list[str]) -> None:
    """The effect of an execution on RAM."""
    for output, source in op.inplace:
        machine.release(source)
        machine.take(output, 0)
    for tensor in fresh:
        machine.take(tensor, 0)
    for tensor in op.mutates:
        machine.written[tensor] = machine.written.get(tensor, 0) + 1
        machine.resident[tensor] += 1


def _page_out(machine: Machine, action: PageOut, start: int) -> Event:
    item = machine.item(action.tensor)
    if not item.pageable and item.name not in machine.away:
        raise IllegalError(f"{item.name} may not be paged")
    if item.name not in machine.resident:
        raise IllegalError(f"{item.name} is not in RAM")
    machine.settle_in(item.name)
    machine.store(item, machine.resident[item.name])
    bus_start, bus_end = machine.transfer(item.out_ns, item.out_cpu_ns)
    machine.leaving[item.name] = bus_end
    if not machine.problem.overlap:
        machine.settle_out(item.name)
    during = machine.live_bytes + item.bounce_bytes
    return Event(action, "page_out", start, machine.cpu_ns, during, machine.live_bytes, item.out_pj, bus_start, bus_end)


def _page_in(machine: Machine, action: PageIn, start: int) -> Event:
    item = machine.item(action.tensor)
    version = machine.card.get(item.name)
    if version is None:
        raise IllegalError(f"{item.name} is not on the card")
    if version != machine.written.get(item.name, 0):
        raise IllegalError(f"the card's copy of {item.name} is stale")
    machine.take(item.name, version)
    bus_start, bus_end = machine.transfer(item.in_ns, item.in_cpu_ns)
    machine.arriving[item.name] = bus_end
    if not machine.problem.overlap:
        machine.settle_in(item.name)
    during = machine.live_bytes + item.bounce_bytes
    return Event(action, "page_in", start, machine.cpu_ns, during, machine.live_bytes, item.in_pj, bus_start, bus_end)


def _finish(machine: Machine) -> None:
    """The end of the step: everything has run, what must stay is there, the bus is idle."""
    if machine.ran < len(machine.problem.ops):
        raise IllegalError(f"{machine.problem.ops[machine.ran].name} never runs")
    for item in machine.problem.items.values():
        if item.name in machine.away:
            _at_home(machine, item.name)
        elif (item.persistent or item.keep) and item.name not in machine.resident:
            raise IllegalError(f"{item.name} is not in RAM at the end of the step")
    for tensor in list(machine.arriving):
        machine.settle_in(tensor)
    machine.cpu_ns = max(machine.cpu_ns, machine.bus_free_ns)


def _at_home(machine: Machine, tensor: str) -> None:
    """What lives on the card ends the step there, up to date."""
    if machine.card[tensor] != machine.written.get(tensor, 0):
        raise IllegalError(f"{tensor} began the step on the card, whose copy is stale at the end")
    if tensor in machine.resident:
        raise IllegalError(f"{tensor} began the step on the card and is still in RAM at the end")


def _judge(problem: Problem, machine: Machine, events: list[Event]) -> None:
    """The budgets; raises IllegalError that names the action which breaks one."""
    if problem.ram_bytes is not None:
        for index, event in enumerate(events):
            if event.bytes_during > problem.ram_bytes:
                raise IllegalError(
                    f"action {index} ({say(event.action)}) needs {event.bytes_during} bytes, the budget is {problem.ram_bytes}"
                )
    if problem.deadline_ns is not None and machine.cpu_ns > problem.deadline_ns:
        raise IllegalError(
            f"the step takes {machine.cpu_ns / 1e6:.6f} ms, the deadline is {problem.deadline_ns / 1e6:.6f} ms"
        )
    if problem.card_bytes is not None and machine.card_bytes > problem.card_bytes:
        raise IllegalError(f"{machine.card_bytes} bytes go to the card, it holds {problem.card_bytes}")


def _result(machine: Machine, events: list[Event], reason: str) -> Replay:
    """Sums up; static power is shared among the phases by their CPU time."""
    baseline = machine.problem.baseline_mw
    phases: dict[str, float] = {}
    clock = 0
    for event in events:
        phases[event.phase] = phases.get(event.phase, 0.0) + event.net_pj + baseline * (event.end_ns - clock)
        clock = event.end_ns
    if machine.cpu_ns > clock:
        phases["page_out"] = phases.get("page_out", 0.0) + baseline * (machine.cpu_ns - clock)
    peak_event = max(range(len(events)), key=lambda i: events[i].bytes_during, default=0)
    return Replay(
        not reason, reason, events[peak_event].bytes_during if events else machine.live_bytes, peak_event,
        sum(event.net_pj for event in events) + round(baseline * machine.cpu_ns), machine.cpu_ns, machine.busy_ns,
        machine.bus_ns, machine.card_bytes, tuple(events),
        {name: round(pj) for name, pj in phases.items() if name != "free" or pj}, )  # fmt: skip
