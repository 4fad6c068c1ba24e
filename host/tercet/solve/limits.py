# SPDX-License-Identifier: Apache-2.0
"""The edges of what is feasible: the fastest schedule, the smallest RAM, the smallest deadline."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from tercet.errors import InfeasibleError, TercetError
from tercet.solve import compact, cpsat, search
from tercet.solve.decode import decode
from tercet.solve.exact import ONCE, exact
from tercet.solve.problem import Problem
from tercet.solve.replay import check
from tercet.solve.schedule import Runs, say
from tercet.solve.solution import Solution, judged
from tercet.solve.stages import stages
from tercet.solve.tidy import tidy
from tercet.units import format_bytes

# Up to this many events CP-SAT finds the smallest RAM; beyond, bisection over searches does.
FEW_EVENTS = 1200


def fastest(problem: Problem, *, time_limit_s: float = 30.0) -> Solution:
    """The schedule of least makespan within the RAM budget (the deadline is ignored)."""
    bounded = problem.with_budgets(problem.ram_bytes, None, problem.card_bytes)
    found = exact(_timed(bounded), time_limit_s=time_limit_s)
    schedule = replace(found.schedule, strategy="fastest")
    return judged(bounded, schedule, bound_pj=None, solve_s=found.solve_s, restrictions=found.restrictions)


def _timed(problem: Problem) -> Problem:
    """The same problem with nanoseconds in the place of picojoules."""
    ops = tuple(replace(op, energy_pj=op.time_ns, again_pj=op.again_ns) for op in problem.ops)
    items = {
        name: replace(item, out_pj=item.out_ns + item.out_cpu_ns, in_pj=item.in_ns + item.in_cpu_ns)
        for name, item in problem.items.items()
    }
    return replace(problem, ops=ops, items=items, baseline_mw=0.0)


def extreme(problem: Problem, objective: str, *, time_limit_s: float = 30.0, workers: int = 2) -> Solution:
    """The schedule of least `time` or `ram` within the problem's other budgets; its `bound_j` is not set.

    Raises InfeasibleError when there is none.
    """
    built = compact.build(stages(problem), objective)
    answer = cpsat.solve_rows(built.rows, time_limit_s=time_limit_s, workers=workers)
    if answer.values is None:
        raise InfeasibleError("no schedule meets the budgets")
    schedule = tidy(problem, decode(built, answer.values, f"least {objective}"))
    return judged(problem, schedule, bound_pj=None, solve_s=answer.solve_s, restrictions=(ONCE,))


def smallest_ram(problem: Problem, *, time_limit_s: float = 30.0) -> Solution:
    """The schedule of least arena extent found within the deadline (the RAM budget is ignored)."""
    bounded = problem.with_budgets(None, problem.deadline_ns, problem.card_bytes)
    if sum(map(len, stages(problem).events)) <= FEW_EVENTS:
        with suppress(InfeasibleError):  # it may have found none in time
            return extreme(bounded, "ram", time_limit_s=time_limit_s)
    low, _ = floor_bytes(problem)
    started, best = time.perf_counter(), search.search(bounded, time_limit_s=0.0)
    if best is None:
        raise InfeasibleError("no schedule meets the deadline")
    high = check(bounded, best).peak_bytes
    probe = low
    while low < high and time.perf_counter() - started < time_limit_s:
        found = search.search(replace(bounded, ram_bytes=probe), time_limit_s=0.5)
        if found is None:
            low = probe + 1
        else:
            best, high = found, check(bounded, found).peak_bytes
        probe = (low + high) // 2
    elapsed = time.perf_counter() - started
    return judged(bounded, best, bound_pj=None, solve_s=elapsed, restrictions=("the smallest that a search found",))


def smallest_deadline(problem: Problem, *, time_limit_s: float = 30.0) -> float:
    """The smallest deadline in milliseconds that the RAM budget allows."""
    return fastest(problem, time_limit_s=time_limit_s).time_ms


def floor_bytes(problem: Problem) -> tuple[int, str]:
    """The largest operator with what it reads, writes and works in, and its name: no schedule needs less RAM."""
    best, name = 0, ""
    final = sum(item.nbytes for item in problem.items.values() if (item.persistent and not item.on_card) or item.keep)
    for op in problem.ops:
        fresh = [t for t in op.outputs if t not in dict(op.inplace)]
        size = sum(problem.items[t].nbytes for t in {*op.reads, *fresh}) + op.workspace_bytes
        if size > best:
            best, name = size, op.name
    return (final, "the end of the step") if final > best else (best, name)


def explain_infeasible(problem: Problem, *, time_limit_s: float = 30.0) -> InfeasibleError:
    """The error that names the smallest feasible RAM (with its event) and the smallest feasible deadline."""
    roomy = replace(problem, card_bytes=None)
    if problem.card_bytes is not None and (card := _smallest_card(roomy, time_limit_s)) is not None:
        return InfeasibleError(
            f"the card holds {problem.card_bytes} bytes, which these budgets do not get by with; the smallest that is enough "
            f"was found at {card} bytes",
            hint=f"--card {card}, or more RAM", smallest={"card_bytes": card},
        )  # fmt: skip
    least = smallest_ram(problem.with_budgets(None, None, problem.card_bytes), time_limit_s=time_limit_s)
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


def _smallest_card(roomy: Problem, time_limit_s: float) -> int | None:
    """The least that goes to a card of any size in a schedule that meets the other budgets; None when none does."""
    ops = tuple(replace(op, energy_pj=0, again_pj=0) for op in roomy.ops)
    items = {
        name: replace(item, out_pj=item.card_bytes, in_pj=0) for name, item in roomy.items.items()
    }
    counted = replace(roomy, ops=ops, items=items, baseline_mw=0.0)
    try:
        found = exact(counted, time_limit_s=time_limit_s)
    except TercetError:
        return None
    return found.replay.card_bytes if found.replay else None


def _held(problem: Problem, node: str) -> str:
    """`conv3 (largest tensor conv3_out, 32768 bytes)`."""
    op = problem.ops[problem.index[node]]
    largest = max(
        (problem.items[t] for t in {*op.reads, *op.outputs}), key=lambda item: (item.nbytes, item.name), default=None
    )
    return f"{node} (largest tensor {largest.name}, {largest.nbytes} bytes)" if largest else node
