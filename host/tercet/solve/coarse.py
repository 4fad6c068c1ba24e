# SPDX-License-Identifier: Apache-2.0
"""The same problem without what is too small to matter: tensors of a few bytes, and the nodes that touch nothing else.

Statistics, gradients of scales and shifts, and the end of a classifier are a quarter of the nodes of a network with batch
normalisation and a hundredth of its bytes. Without them there are half as many columns. The coarse problem is a relaxation:
a schedule of the whole one, with these left out, is one of its own that costs no more. Its bound therefore holds, and a
schedule of it counts once what was left out has been put back and the replay agrees.
"""

from __future__ import annotations

from dataclasses import replace

from tercet.solve.problem import Op, Problem
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Schedule, Update

# What is left out takes at most this share of RAM, were all of it there at once.
SHARE = 0.01
# ... and is worth the trouble only where at most this share of the nodes remains.
WORTH = 0.9
ROUGHLY = "bounded without tensors too small to matter, and without the first executions of nodes that touch nothing else"


def coarse(problem: Problem) -> Problem | None:
    """The coarse problem; None where little can be left out, or transfers overlap.

    A node that touches nothing large is added to the next first execution; what it writes of weights in RAM becomes part of
    the next node that runs once, which is later, so that nothing is ruled out.
    """
    small = _small(problem)
    if problem.overlap or not small:
        return None
    ops: list[Op] = []
    energy_pj = time_ns = 0
    written: list[str] = []
    for index, op in enumerate(problem.ops):
        kept = _without(op, small)
        last = index == len(problem.ops) - 1
        if not last and not any(_large(problem, tensor) for tensor in (*kept.reads, *kept.outputs)):
            energy_pj, time_ns, written = energy_pj + op.energy_pj, time_ns + op.time_ns, [*written, *op.mutates]
            continue
        kept = replace(kept, energy_pj=op.energy_pj + energy_pj, time_ns=op.time_ns + time_ns)
        if kept.mutates:
            kept, written = replace(kept, mutates=(*kept.mutates, *(w for w in written if w not in kept.mutates))), []
        ops.append(kept)
        energy_pj = time_ns = 0
    if len(ops) > WORTH * len(problem.ops):
        return None
    items = {name: item for name, item in problem.items.items() if name not in small}
    return replace(problem, ops=tuple(ops), items=items)


def lifted(problem: Problem, schedule: Schedule) -> Schedule:
    """A schedule of the coarse problem with what was left out put back: each node just before the next, each small tensor
    kept until its last use."""
    small, actions, done = _small(problem), [], 0
    for action in schedule.actions:
        if isinstance(action, Compute | Update):
            position = problem.index[action.node]
            actions += [_first(op) for op in problem.ops[done:position]]
            done = position + 1
        actions.append(action)
    last = {}
    for index, action in enumerate(actions):
        if not isinstance(action, Free | PageIn | PageOut):
            op = problem.ops[problem.index[action.node]]
            for tensor in small.intersection((*op.reads, *op.outputs)):
                last[tensor] = index
    taken = {source for op in problem.ops for _, source in op.inplace}
    over: dict[int, list[Action]] = {}
    for tensor, index in last.items():
        if tensor not in taken and not problem.items[tensor].keep:
            over.setdefault(index, []).append(Free(tensor))
    whole = tuple(a for index, action in enumerate(actions) for a in (action, *over.get(index, ())))
    return replace(schedule, actions=whole)


def with_room(rough: Problem, problem: Problem) -> Problem:
    """The coarse problem with room for all that it leaves out: its schedules are schedules of the whole one."""
    if rough.ram_bytes is None:
        return rough
    return replace(rough, ram_bytes=rough.ram_bytes - sum(problem.items[name].nbytes for name in _small(problem)))


def _first(op: Op) -> Action:
    return Update(op.name) if op.mutates else Compute(op.name)


def _small(problem: Problem) -> set[str]:
    """The smallest tensors that come and go, as many as take the share of RAM together."""
    left = int(SHARE * problem.ram_bytes) if problem.ram_bytes is not None else 0
    small = set()
    for item in sorted(problem.items.values(), key=lambda item: (item.nbytes, item.name)):
        if not item.persistent:
            left -= item.nbytes
            if left < 0:
                break
            small.add(item.name)
    return small


def _large(problem: Problem, tensor: str) -> bool:
    """Whether a tensor that is not small may leave RAM."""
    item = problem.items[tensor]
    return not item.persistent or item.on_card or item.pageable


def _without(op: Op, small: set[str]) -> Op:
    """The node without its small tensors; one that writes nothing else need not run again."""
    outputs = tuple(tensor for tensor in op.outputs if tensor not in small)
    return replace(
        op, inputs=tuple(tensor for tensor in op.inputs if tensor not in small), outputs=outputs,
        again=op.again and bool(outputs), inplace=tuple(pair for pair in op.inplace if not small.intersection(pair)),
    )  # fmt: skip
