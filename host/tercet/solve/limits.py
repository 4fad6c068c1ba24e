# SPDX-License-Identifier: Apache-2.0
"""The edges of what is feasible: the fastest schedule, the smallest RAM, the smallest deadline."""

from __future__ import annotations

from tercet.errors import InfeasibleError
from tercet.solve.exact import extreme
from tercet.solve.problem import Problem
from tercet.solve.schedule import Runs, say
from tercet.solve.solution import Solution
from tercet.units import format_bytes


def fastest(problem: Problem, *, time_limit_s: float = 30.0) -> Solution:
    """The schedule of least makespan within the RAM budget (the deadline is ignored)."""
    return extreme(problem.with_budgets(problem.ram_bytes, None, problem.card_bytes), "time", time_limit_s=time_limit_s)


def smallest_ram(problem: Problem, *, time_limit_s: float = 30.0) -> Solution:
    """The schedule of least arena extent within the deadline (the RAM budget is ignored)."""
    return extreme(
        problem.with_budgets(None, problem.deadline_ns, problem.card_bytes), "ram", time_limit_s=time_limit_s
    )


def smallest_deadline(problem: Problem, *, time_limit_s: float = 30.0) -> float:
    """The smallest deadline in milliseconds that the RAM budget allows."""
    return fastest(problem, time_limit_s=time_limit_s).time_ms


def floor_bytes(problem: Problem) -> tuple[int, str]:
    """The largest operator with what it reads, writes and works in, and its name: no schedule needs less RAM."""
    best, name = 0, ""
    final = sum(item.nbytes for item in problem.items.values() if item.persistent or item.keep)
    for op in problem.ops:
        fresh = [t for t in op.outputs if t not in dict(op.inplace)]
        size = sum(problem.items[t].nbytes for t in {*op.reads, *fresh}) + op.workspace_bytes
        if size > best:
            best, name = size, op.name
    return (final, "the end of the step") if final > best else (best, name)


def explain_infeasible(problem: Problem, *, time_limit_s: float = 30.0) -> InfeasibleError:
    """The error that names the smallest feasible RAM (with its event) and the smallest feasible deadline."""
    free = problem.with_budgets(None, None, problem.card_bytes)
    least = smallest_ram(free, time_limit_s=time_limit_s)
    smallest: dict[str, float] = {"ram_bytes": least.peak_bytes}
    assert least.replay is not None
    event = least.replay.events[least.replay.peak_event]
    if problem.ram_bytes is not None and problem.ram_bytes < least.peak_bytes:
        size = f"{least.peak_bytes} bytes ({format_bytes(least.peak_bytes)})"
        where = _held(problem, event.action.node) if isinstance(event.action, Runs) else say(event.action)
        return InfeasibleError(
            f"no schedule fits {problem.ram_bytes} bytes of RAM; the smallest feasible budget found is {size}, needed at {where}",
            hint=f"--ram {least.peak_bytes}", smallest=smallest,
        )  # fmt: skip
    quick = fastest(problem, time_limit_s=time_limit_s)
    smallest["deadline_ms"] = quick.time_ms
    deadline = (problem.deadline_ns or 0) / 1e6
    message = (
        f"no schedule meets {deadline:.6g} ms in {problem.ram_bytes} bytes; the smallest feasible deadline found is"
    )
    if problem.deadline_ns is not None:
        within = problem.with_budgets(None, problem.deadline_ns, problem.card_bytes)
        try:
            smallest["ram_bytes"] = smallest_ram(within, time_limit_s=time_limit_s).peak_bytes
        except InfeasibleError:
            smallest.pop("ram_bytes")
    return InfeasibleError(
        f"{message} {quick.time_ms:.6f} ms", hint=f"--deadline-ms {quick.time_ms:.6f}, or more RAM", smallest=smallest
    )


def _held(problem: Problem, node: str) -> str:
    """`conv3 (largest tensor conv3_out, 32768 bytes)`."""
    op = problem.ops[problem.index[node]]
    largest = max(
        (problem.items[t] for t in {*op.reads, *op.outputs}), key=lambda item: (item.nbytes, item.name), default=None
    )
    return f"{node} (largest tensor {largest.name}, {largest.nbytes} bytes)" if largest else node
