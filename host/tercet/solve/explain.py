# SPDX-License-Identifier: Apache-2.0
"""Why a schedule is as it is: each tensor's fate with its break-even, what binds, what a little more budget would save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tercet.errors import TercetError
from tercet.solve import homes
from tercet.solve.baselines.walk import turn
from tercet.solve.exact import exact
from tercet.solve.outcome import Replay
from tercet.solve.problem import Problem
from tercet.solve.replay import check
from tercet.solve.schedule import Schedule, say
from tercet.solve.stages import Stages, stages
from tercet.units import format_bytes, format_joules

MORE_BYTES, MORE_NS = 1024, 1_000_000


def explain(problem: Problem, schedule: Schedule, *, time_limit_s: float = 10.0) -> dict[str, Any]:
    """Fates, binding budgets and marginal savings of a legal schedule, JSON-able; raises `IllegalError` for another.

    The savings come from solving twice again, each within the time limit; they are None where that was not proved.
    Weights live where they do in the schedule.
    """
    outcome = check(problem, schedule)
    problem = homes.placed(problem, schedule.on_card)
    view = stages(problem)
    return {
        "problem": problem.name,
        "tensors": [_fate(problem, view, position, schedule) for position in _waiting(view)],
        "binds": _binds(problem, outcome),
        "one_kilobyte_saves_j": _saves(problem, outcome, MORE_BYTES, 0, time_limit_s),
        "one_millisecond_saves_j": _saves(problem, outcome, 0, MORE_NS, time_limit_s),
    }


def _waiting(view: Stages) -> list[int]:
    """Values of the forward phase that are read after it, and whatever else lies idle between two reads."""
    middle = turn(view.problem)
    return [v.position for v in view.values if v.producer >= 0 and v.producer < middle and any(r >= middle for r in v.readers)]


def _fate(problem: Problem, view: Stages, position: int, schedule: Schedule) -> dict[str, Any]:
    """What becomes of a value, and what each way would cost."""
    value = view.values[position]
    op, item, base = problem.ops[value.producer], value.item, problem.baseline_mw
    paged, again = schedule.paged_in.count(value.tensor), schedule.recomputed.count(op.name)
    fate = "paged" if paged else "recomputed" if again else "kept"
    again_pj = op.again_pj + base * op.again_ns if op.again else None
    transfer_ns = item.out_ns + item.in_ns + item.out_cpu_ns + item.in_cpu_ns
    page_pj = item.out_pj + item.in_pj + (0 if problem.overlap else base * transfer_ns) if item.pageable else None
    return {
        "tensor": value.tensor, "bytes": value.nbytes, "fate": fate, "times_paged_in": paged, "times_recomputed": again,
        "recompute_j": None if again_pj is None else again_pj / 1e12, "recompute_ms": op.again_ns / 1e6 if op.again else None,
        "page_j": None if page_pj is None else page_pj / 1e12, "page_ms": transfer_ns / 1e6 if item.pageable else None,
        "reason": _reason(fate, again_pj, page_pj, (op.again_ns, transfer_ns), len(op.reads)),
    }  # fmt: skip


def _reason(fate: str, again_pj: float | None, page_pj: float | None, times_ns: tuple[int, int], reads: int) -> str:
    """The break-even in words."""
    if fate == "kept":
        return "there was room for it, or bringing it back costs more than freeing another tensor"
    if again_pj is None or page_pj is None:
        only = "the card" if again_pj is None else "running its operator again"
        return f"only {only} can bring it back"
    cheaper = "recompute" if again_pj <= page_pj else "page"
    quicker = "recompute" if times_ns[0] <= times_ns[1] else "page"
    chosen = "page" if fate == "paged" else "recompute"
    numbers = f"recompute {format_joules(again_pj / 1e12)}, page {format_joules(page_pj / 1e12)}"
    if chosen == cheaper:
        return f"the cheaper way: {numbers}"
    if chosen == quicker:
        return f"the quicker way, for the sake of the deadline: {numbers}"
    if chosen == "page" and reads:
        return f"running its operator again needs inputs that are not in RAM: {numbers} without them"
    return f"its inputs were in RAM, or it was computed on the way to another tensor: {numbers}"


def _binds(problem: Problem, outcome: Replay) -> dict[str, Any]:
    """The room that is left in each budget, and where RAM is fullest."""
    event = outcome.events[outcome.peak_event]
    return {
        "ram_bytes": outcome.peak_bytes, "ram_at": say(event.action),
        "ram_left_bytes": None if problem.ram_bytes is None else problem.ram_bytes - outcome.peak_bytes,
        "deadline_left_ms": None if problem.deadline_ns is None else (problem.deadline_ns - outcome.time_ns) / 1e6,
        "cpu_busy": outcome.cpu_ns / max(outcome.time_ns, 1), "bus_busy": outcome.bus_ns / max(outcome.time_ns, 1),
    }  # fmt: skip


def _saves(problem: Problem, outcome: Replay, nbytes: int, ns: int, time_limit_s: float) -> float | None:
    """The energy that a wider budget would save; 0 where the budget does not exist."""
    if (nbytes and problem.ram_bytes is None) or (ns and problem.deadline_ns is None):
        return 0.0
    wider = replace(
        problem, ram_bytes=None if problem.ram_bytes is None else problem.ram_bytes + nbytes,
        deadline_ns=None if problem.deadline_ns is None else problem.deadline_ns + ns,
    )  # fmt: skip
    try:
        found = exact(wider, time_limit_s=time_limit_s)
    except TercetError:
        return None
    return None if found.status != "optimal" else max(0.0, outcome.energy_j - found.objective_j)


def text(said: dict[str, Any]) -> str:
    """The explanation for people."""
    lines = [f"{said['problem']}: what happens to what the backward phase needs"]
    for fate in said["tensors"]:
        lines.append(f"  {fate['tensor']:<24} {format_bytes(fate['bytes']):>10}  {fate['fate']:<10} {fate['reason']}")
    binds = said["binds"]
    room = "" if binds["ram_left_bytes"] is None else f", {binds['ram_left_bytes']} bytes below the budget"
    lines.append(f"RAM is fullest at {binds['ram_at']}: {format_bytes(binds['ram_bytes'])}{room}")
    if binds["deadline_left_ms"] is not None:
        lines.append(f"the deadline leaves {binds['deadline_left_ms']:.3f} ms")
    lines.append(f"the CPU works {binds['cpu_busy']:.0%} of the step, the bus {binds['bus_busy']:.0%}")
    for name, key in (("one more kilobyte", "one_kilobyte_saves_j"), ("one more millisecond", "one_millisecond_saves_j")):
        saved = said[key]
        lines.append(f"{name} would save {'something that was not proved' if saved is None else format_joules(saved)}")
    return "\n".join(lines)
