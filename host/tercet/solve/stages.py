# SPDX-License-Identifier: Apache-2.0
"""Values and events of the stage formulation: what can be of use, and when.

A *value* is one version of a tensor. *Stage* k lasts from the end of node k-1's first execution to the end of node k's. Inside a
stage, nodes run again in topological order (at most once each) before node k runs. Event (k, i) is the execution of
node i in stage k.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from tercet.solve.lazy import lazy
from tercet.solve.problem import Item, Problem


@dataclass
class Value:
    """A version of a tensor: who produces it (-1: there at the start), who reads it, who takes its buffer over."""

    position: int
    tensor: str
    item: Item
    producer: int
    readers: list[int] = field(default_factory=list)
    takers: set[int] = field(default_factory=set)
    written_by: int | None = None
    final: bool = False
    last_stage: int = -1

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.item.nbytes


@dataclass
class Stages:
    """The values of a problem and the events that can be of use."""

    problem: Problem
    values: list[Value]
    reads: list[list[int]]  # node -> values it reads, those it takes over included
    writes: list[list[int]]  # node -> values it produces
    taken: list[dict[int, int]]  # node -> produced value -> value whose buffer it takes over
    last_rerun: list[int]  # node -> last stage in which another execution can be of use (-1: none)
    events: list[list[int]]  # stage -> nodes that may run in it, in order; the last is the stage's own
    waits: bool = False  # whether nodes that free nothing wait for their readers

    @cached_property
    def awaited(self) -> list[set[int] | None]:
        """For each node the readers that it can wait for to run again; None where running it early may pay."""
        return lazy(self)


def stages(problem: Problem, *, forward_reruns: bool = True, rerun: bool = True, waits: bool = False) -> Stages:
    """The stage view of a problem.

    Without `forward_reruns`, nodes run again only from the first backward node on. With `waits`, what frees no memory
    runs again only in a stage in which it is read.
    """
    values, reads, writes, taken = _values(problem)
    count = len(problem.ops)
    last_rerun = [-1] * count
    for node in range(count - 1, -1, -1):
        last = -1
        for position in writes[node]:
            value = values[position]
            uses = [max(reader, last_rerun[reader]) for reader in value.readers]
            value.last_stage = count if value.final else max(uses, default=node)
            last = max(last, value.last_stage)
        if problem.ops[node].again and rerun:
            last_rerun[node] = min([last, count - 1] + [_until(values[v], count) for v in reads[node]])
    for value in values:
        if value.producer < 0:
            uses = [max(reader, last_rerun[reader]) for reader in value.readers]
            value.last_stage = count if value.final else max(uses, default=-1)
    first = (
        0
        if forward_reruns
        else next((k for k, op in enumerate(problem.ops) if op.phase not in ("input", "forward", "update")), 0)
    )
    events = [[i for i in range(k) if k >= first and last_rerun[i] >= k] + [k] for k in range(count)]
    return Stages(problem, values, reads, writes, taken, last_rerun, events, waits)


def _until(value: Value, count: int) -> int:
    """The last stage in which a reader of `value` may run: none after it has been written in place."""
    return count if value.written_by is None else value.written_by


def _values(problem: Problem) -> tuple[list[Value], list[list[int]], list[list[int]], list[dict[int, int]]]:
    """Every tensor version in single assignment; a node that mutates takes the old version over in place."""
    values: list[Value] = []
    current: dict[str, Value] = {}

    def new(tensor: str, producer: int) -> Value:
        current[tensor] = Value(len(values), tensor, problem.items[tensor], producer)
        values.append(current[tensor])
        return current[tensor]

    for item in problem.items.values():
        if item.persistent:
            new(item.name, -1)
    reads: list[list[int]] = []
    writes: list[list[int]] = []
    taken: list[dict[int, int]] = []
    for node, op in enumerate(problem.ops):
        read = [current[tensor] for tensor in op.reads]
        for value in read:
            value.readers.append(node)
        pairs = {}
        for output, source in op.inplace:
            old = current[source]
            pairs[new(output, node).position] = old.position
            old.takers.add(node)
        for tensor in op.mutates:
            old = current[tensor]
            old.takers.add(node)
            old.written_by = node
            pairs[new(tensor, node).position] = old.position
        fresh = [new(tensor, node).position for tensor in op.outputs if tensor not in dict(op.inplace)]
        reads.append([value.position for value in read])
        writes.append([*pairs, *fresh])
        taken.append(pairs)
    for item in problem.items.values():
        if item.persistent or item.keep:
            current[item.name].final = True
    return values, reads, writes, taken
