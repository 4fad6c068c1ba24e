# SPDX-License-Identifier: Apache-2.0
"""The whole job on one bench: flash, profile, solve, deploy, train, measure; what `train` and `demo` have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tercet import resources, targets
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.board.flash import base as flash
from tercet.cli import costing, pipeline
from tercet.cli.pipeline import Request
from tercet.cli.progress import Steps
from tercet.costs import CostTable
from tercet.meter.base import open_meter
from tercet.plan_format import Plan
from tercet.solve import Problem, Solution
from tercet.train.session import Run


@dataclass(frozen=True)
class Outcome:
    """What came of a job; `measured` is the body of energy.json, None without a meter."""

    problem: Problem
    found: Solution
    plan: Plan
    run: Run
    measured: dict[str, Any] | None


def everything(
    request: Request, bench: Bench, bar: Steps, deadline: Callable[[Problem], float] | None = None
) -> Outcome:
    """Runs every stage that is missing. `deadline` chooses milliseconds once the costs are known."""
    graph, weights, packed = pipeline.prepare(request)
    flash.flash(bench, targets.load(bench.target), resources.firmware(bench.target), progress=bar.flashing)
    meter = open_meter(bench.meter, region_pin=bench.pins.region) if bench.meter else None
    try:
        with Board(bench.serial) as board:
            table = costing.cost_table(
                request.path("costs.json"), graph, packed, board, bench, meter, bar.say,
                request.encrypt, request.overlap,
            )  # fmt: skip
            problem = pipeline.problem_of(request, graph, table)
            if deadline is not None:
                problem = problem.with_budgets(problem.ram_bytes, round(deadline(problem) * 1e6), problem.card_bytes)
            found, plan = pipeline.schedule(request, problem, graph, bench.target)
            bar.say(describe(found))
            result = pipeline.train(
                request, graph, plan, weights, packed, board, bench, meter, bar.event, bar.transfer
            )  # fmt: skip
            for line in rate_notes(table, result.last("done")):
                bar.say(line)
    finally:
        if meter is not None:
            meter.close()
    pins = (bench.pins.region, bench.pins.phases)
    measured = pipeline.measure(request.out, pins) if result.capture is not None else None
    return Outcome(problem, found, plan, result, measured)


def rate_notes(table: CostTable, done: dict[str, Any]) -> list[str]:
    """What there is to say when the card's bus ran at another rate than the costs are of: weights are the same, times are not."""
    ran_hz, notes = done.get("card_hz", 0), []
    if done.get("card_lowered"):
        notes.append(f"the card's bus was lowered to {ran_hz / 1e6:g} MHz after repeated errors; the weights are not affected")
    if ran_hz and table.card_hz and ran_hz != table.card_hz:
        known = f"costs.json is of {table.card_hz / 1e6:g} MHz on the card's bus, the run was at {ran_hz / 1e6:g} MHz"
        notes.append(f"{known}: predicted times and energies do not hold")
    return notes


def describe(found: Solution) -> str:
    """A schedule in one line."""
    proof = "proved optimal" if found.status == "optimal" else f"{found.status}, gap {found.gap or 0:.2%}"
    again, paged = len(found.recomputed), len(found.paged_out)
    return f"schedule {proof}: {again} computed again, {paged} paged out, {found.time_ms:.1f} ms a step"


def summarise(request: Request, bench: Bench, outcome: Outcome) -> dict[str, Any]:
    """The object that `--json` prints; energies and times are of one step."""
    done, metered = outcome.run.last("done"), outcome.run.all("metered")
    losses = [*(metered[0]["losses"] if metered else ()), *(entry["loss"] for entry in outcome.run.all("step"))]
    times_us = metered[0]["times_us"] if metered else []
    measured = outcome.measured
    return {
        "board": bench.target, "model": request.model, "ram_budget_bytes": request.ram_bytes,
        "deadline_ms": None if outcome.problem.deadline_ns is None else outcome.problem.deadline_ns / 1e6,
        "steps": done["steps"], "loss_first": losses[0], "loss_last": losses[-1],
        "accuracy": next((entry["accuracy"] for entry in outcome.run.all("evaluated")), None),
        "peak_arena_bytes": done["peak_arena_bytes"],
        "planned_peak_bytes": outcome.plan.peak_bytes, "energy_predicted_j": outcome.found.objective_j,
        "energy_metered_j": measured["gross_j"]["mean"] if measured and measured["valid"] else None,
        "time_predicted_ms": outcome.found.time_ms,
        "time_measured_ms": sum(times_us) / len(times_us) / 1000 if times_us else None,
        "provenance": measured["provenance"] if measured else "modelled",
        "paged_bytes": (done["bytes_out"] + done["bytes_in"]) // max(done["steps_run"], 1),
        "recomputed_ops": len(outcome.found.recomputed),
    }  # fmt: skip
