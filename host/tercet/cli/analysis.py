# SPDX-License-Identifier: Apache-2.0
"""`tercet show`, `explain` and `pareto`: look into a schedule, and along its budgets."""

from __future__ import annotations

from pathlib import Path

import click

from tercet import artifacts
from tercet.cli import options
from tercet.cli.solve import COSTS, INPUT, SEMANTICS
from tercet.solve import api
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
