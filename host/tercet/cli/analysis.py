# SPDX-License-Identifier: Apache-2.0
"""`tercet show`, `explain` and `pareto`: look into a schedule, and along its budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tercet import artifacts
from tercet.cli import options
from tercet.cli.solve import COSTS, INPUT, SEMANTICS, stopping
from tercet.errors import InputError
from tercet.solve import api
from tercet.solve import explain as reasons
from tercet.solve import pareto as sweeping
from tercet.solve import schedule as schedules
from tercet.solve import show as drawing
from tercet.solve.replay import check


@click.command()
@INPUT
@click.argument("schedule_file", metavar="SCHEDULE", type=click.Path(exists=True, dir_okay=False))
@COSTS
@SEMANTICS
@options.out_option
@options.json_option
def show(source: str, schedule_file: str, costs: str | None, semantics: str, out: str | None, as_json: bool) -> None:
    """Draw SCHEDULE: operators along x, time downwards, memory beside it; in the terminal, or as SVG with --out.

    \b
    Example:
      tercet show graph.json schedule.json --costs costs.json
      tercet show graph.json schedule.json --costs costs.json -o schedule.svg
    """
    found = schedules.load(schedule_file)
    problem = api.load(source, costs, semantics=semantics, ram_bytes=found.meta.get("ram_budget_bytes"))
    check(problem, found)
    if out:
        artifacts.write_bytes(Path(out), drawing.svg(problem, found).encode())
    options.show({"svg": out}, as_json, out or drawing.text(problem, found))


@click.command()
@INPUT
@click.argument("schedule_file", metavar="SCHEDULE", type=click.Path(exists=True, dir_okay=False))
@COSTS
@SEMANTICS
@options.json_option
def explain(source: str, schedule_file: str, costs: str | None, semantics: str, as_json: bool) -> None:
    """Say why SCHEDULE keeps, recomputes or pages each tensor, what binds, and what a little more RAM or time would save.

    \b
    Example:
      tercet explain graph.json schedule.json --costs costs.json
    """
    found = schedules.load(schedule_file)
    budgets: dict[str, Any] = {"ram_bytes": found.meta.get("ram_budget_bytes"), "deadline_ms": found.meta.get("deadline_ms")}
    said = reasons.explain(api.load(source, costs, semantics=semantics, **budgets), found)
    options.show(said, as_json, reasons.text(said))


@click.command()
@INPUT
@COSTS
@click.option("--ram", default="20%..100%", show_default=True, help="Shares of what keeping everything takes: 20%..100%/5%.")
@click.option("--deadlines", default="none", show_default=True, help="Milliseconds a step, with commas; none: no deadline.")
@click.option("--finish-within", type=options.Span(), metavar="TIME", help="Derive the deadline: 2h, 90m.")
@click.option("--epochs", type=click.IntRange(1), help="With --finish-within.")
@click.option("--steps-per-epoch", type=click.IntRange(1), help="With --finish-within.")
@click.option("--time-limit", default=20.0, show_default=True, help="Seconds a point.")
@SEMANTICS
@click.option("-o", "--out", default="pareto.csv", show_default=True, type=click.Path(path_type=Path),
              help="CSV, completed when it exists; a plot is drawn beside it.")  # fmt: skip
@options.json_option
def pareto(
    source: str, costs: str | None, ram: str, deadlines: str, finish_within: float | None, epochs: int | None,
    steps_per_epoch: int | None, time_limit: float, semantics: str, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Solve INPUT along its RAM and deadline budgets: the least energy at each; can be interrupted and continued.

    \b
    Example:
      tercet pareto graph.json --costs costs.json --ram 50%..100% --deadlines none,120,150
      tercet pareto graph.json --costs costs.json --finish-within 2h --epochs 20 --steps-per-epoch 29
    """
    limits = _deadlines(deadlines, finish_within, epochs, steps_per_epoch)
    problem = api.load(source, costs, semantics=semantics)
    with stopping() as stop:
        rows = sweeping.sweep(
            problem, sweeping.parse_range(ram), limits, out, time_limit_s=time_limit, say=options.say, stop=stop)
    artifacts.write_bytes(out.with_suffix(".svg"), sweeping.plot(rows, problem.name))
    options.show(rows, as_json, f"{out}\n{out.with_suffix('.svg')}")


def _deadlines(
    text: str, finish_within_s: float | None, epochs: int | None, steps_per_epoch: int | None
) -> list[float | None]:  # fmt: skip
    """Milliseconds a step from the options; None: no deadline."""
    if finish_within_s is not None:
        if epochs is None or steps_per_epoch is None:
            raise InputError("--finish-within needs --epochs and --steps-per-epoch")
        return [sweeping.deadline_ms(finish_within_s, epochs, steps_per_epoch)]
    try:
        return [None if part.strip() == "none" else float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{text!r} is no list of deadlines", hint="none,120,150") from error
