# SPDX-License-Identifier: Apache-2.0
"""Micro-batching: the batch in parts, gradients accumulated, weights updated once. It often beats paging and recomputing.

It is another problem: activations shrink, accumulators appear. Costs are taken to grow in proportion to the batch, which
leaves out the fixed part of each operator, so the figures flatter it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from tercet.errors import InfeasibleError
from tercet.solve.baselines.walk import walk
from tercet.solve.problem import Item, Op, Problem
from tercet.solve.replay import replay
from tercet.solve.solution import Solution, judged

PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)


def micro_batch(problem: Problem, **_: Any) -> Solution:
    """Keep-all in the fewest parts that fit; its schedule belongs to `split(problem, parts)`, as its restrictions say."""
    started = time.perf_counter()
    for parts in PARTS:
        smaller = split(problem, parts)
        schedule = walk(smaller, {}, "micro-batch")
        if schedule is not None and replay(smaller, schedule).legal:
            names = (f"another problem: the batch in {parts} parts, costs in proportion to the batch",)
            elapsed = time.perf_counter() - started
            return judged(smaller, schedule, bound_pj=None, solve_s=elapsed, restrictions=names)
    raise InfeasibleError("micro-batching does not meet the budgets", hint="--strategy exact", smallest={"ram_bytes": 0.0})


def split(problem: Problem, parts: int) -> Problem:
    """The problem with every operator `parts` times on a part of the batch, and one update at the end."""
    if parts == 1:
        return problem
    items: dict[str, Item] = {name: item for name, item in problem.items.items() if item.persistent}
    ops: list[Op] = []
    last: list[Op] = []
    for part in range(parts):
        for op in problem.ops:
            if op.mutates:
                _accumulate(problem, op, part, parts, items, ops, last)
                continue
            for tensor in op.outputs:
                name = f"{tensor}.{part}"
                items[name] = replace(_shrunk(problem.items[tensor], parts), name=name)
            ops.append(_part(problem, op, part, parts))
    return replace(problem, ops=(*ops, *last), items=items)


def _shrunk(item: Item, parts: int) -> Item:
    cut = {name: -(-getattr(item, name) // parts) for name in ("nbytes", "out_ns", "in_ns", "out_pj", "in_pj")}
    return replace(item, **cut)


def _named(problem: Problem, tensor: str, part: int) -> str:
    return tensor if problem.items[tensor].persistent else f"{tensor}.{part}"


def _part(problem: Problem, op: Op, part: int, parts: int) -> Op:
    """One part's execution of a node."""
    return replace(
        op, name=f"{op.name}.{part}", inputs=tuple(_named(problem, t, part) for t in op.inputs),
        outputs=tuple(f"{t}.{part}" for t in op.outputs),
        inplace=tuple((f"{a}.{part}", _named(problem, b, part)) for a, b in op.inplace),
        time_ns=-(-op.time_ns // parts), energy_pj=-(-op.energy_pj // parts), again_ns=-1, again_pj=-1,
    )  # fmt: skip


def _accumulate(
    problem: Problem, op: Op, part: int, parts: int, items: dict[str, Item], ops: list[Op], last: list[Op]
) -> None:
    """The gradient of one part: the first part creates the sums, the others add to them, the last node applies them."""
    inputs = tuple(_named(problem, t, part) for t in op.inputs)
    sums = tuple(f"sum of {tensor}".replace(" ", "_") for tensor in op.mutates)
    time_ns, energy_pj = -(-op.time_ns // parts), -(-op.energy_pj // parts)
    base = Op(f"{op.name}.{part}", inputs, (), time_ns, energy_pj, phase=op.phase, kind=op.kind)
    if part == 0:
        for name, tensor in zip(sums, op.mutates, strict=True):
            items[name] = Item(name, problem.items[tensor].nbytes, pageable=False)
        ops.append(replace(base, outputs=sums, again=False))
        last.append(Op(f"{op.name}.apply", sums, (), 0, 0, mutates=op.mutates, phase="update"))
    else:
        ops.append(replace(base, mutates=sums))
