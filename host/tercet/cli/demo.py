# SPDX-License-Identifier: Apache-2.0
"""`tercet demo`: the main job, end to end, on the virtual board or any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tercet import artifacts
from tercet.board import bench as benches
from tercet.cli import options, pipeline, progress, whole
from tercet.report import page
from tercet.solve import Problem, fastest, solve

RAM_BYTES = 94 * 1024
# Variations of the two budgets that the report shows: (what, factor of RAM, deadline kept).
RELAXED = (
    ("as it is", 1.0, True), ("no deadline", 1.0, False), ("a quarter more RAM", 1.25, True),
    ("all the RAM it wants", None, True),
)  # fmt: skip


def midpoint_deadline(problem: Problem) -> float:
    """Milliseconds halfway between the fastest schedule and the one of least energy, both at the problem's RAM."""
    quick = fastest(problem).time_ms
    thrifty = solve(problem.with_budgets(problem.ram_bytes, None, problem.card_bytes)).time_ms
    return (quick + thrifty) / 2


def relaxations(problem: Problem) -> list[dict[str, Any]]:
    """What other budgets would bring: a row each with RAM, deadline, energy, time, actions."""
    rows = []
    for what, factor, keep in RELAXED:
        ram = None if factor is None else round(factor * (problem.ram_bytes or 0))
        deadline = problem.deadline_ns if keep else None
        found = solve(problem.with_budgets(ram, deadline, problem.card_bytes))
        rows.append({
            "what": what, "ram_bytes": ram, "deadline_ms": deadline / 1e6 if deadline else None,
            "energy_j": found.objective_j, "time_ms": found.time_ms, "peak_bytes": found.peak_bytes,
            "recomputed": len(found.recomputed), "paged_out": len(found.paged_out), "paged_in": len(found.paged_in),
            "status": found.status,
        })  # fmt: skip
    return rows


def run(request: pipeline.Request, bench: benches.Bench, bar: progress.Steps) -> dict[str, Any]:
    """The whole job on a bench, its report included; returns what `--json` prints."""
    outcome = whole.everything(request, bench, bar, midpoint_deadline)
    summary = whole.summarise(request, bench, outcome)
    rows = relaxations(outcome.problem)
    artifacts.write_json(request.path("relaxed.json"), "tercet-relaxed/1", {"rows": rows})
    artifacts.write_json(request.path("demo.json"), "tercet-demo/1", {"summary": summary})
    page.write(request.out)
    return summary


@click.command()
@options.hardware
@click.option("--out", default="demo", show_default=True, type=click.Path(file_okay=False), help="Where everything goes.")
@click.option("--steps", default=350, show_default=True, type=click.IntRange(30), help="Training steps.")
@options.json_option
def demo(board_name: str | None, bench_file: str | None, out: str, steps: int, as_json: bool) -> None:
    """Train a small network on handwritten digits within 94 KiB and a deadline, metered, and write a report.

    The budget is deliberately small: keeping every activation would take 137 KiB.

    \b
    Example:
      tercet demo
      tercet demo --bench bench.toml --json
    """
    request = pipeline.Request(
        "demo", "digits", Path(out), RAM_BYTES, batch=48, optimizer={"name": "sgd", "rate": 0.1}, init=3, steps=steps
    )
    start = {"state": request.path("board"), "sd": request.path("card.img")}
    request.out.mkdir(parents=True, exist_ok=True)
    bench_path = Path(bench_file) if bench_file else None
    with benches.select(board_name, bench_path, **start) as bench, progress.Steps(steps) as bar:
        summary = run(request, bench, bar)
    options.show(summary, as_json, _text(summary, request.path("report.html")))


def _text(summary: dict[str, Any], report: Path) -> str:
    lines = [f"{key:<20} {json.dumps(value)}" for key, value in summary.items()]
    return "\n".join([*lines, f"report               {report}"])
