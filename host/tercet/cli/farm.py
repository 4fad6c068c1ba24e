# SPDX-License-Identifier: Apache-2.0
"""`tercet farm`: a board farm on labgrid."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import click

from tercet.board import bench as benches
from tercet.cli import options
from tercet.cli.hil import FOLDER
from tercet.errors import InputError
from tercet.farm import distribute, everywhere, loopback, strategy
from tercet.farm import suite as suites
from tercet.farm.client import Farm, default_coordinator

COORDINATOR = click.option(
    "--coordinator", envvar="LG_COORDINATOR", metavar="HOST:PORT", help="The farm's coordinator (default: the loopback farm's).")


def connect(coordinator: str | None) -> Farm:
    """The farm that is meant."""
    address = coordinator or default_coordinator(loopback.folder())
    if address is None:
        raise InputError("no farm is known", hint="tercet farm start, or --coordinator HOST:PORT")
    return Farm(address)


@click.group()
def farm() -> None:
    """Try out and use a farm of boards."""


@farm.command()
@click.option("-n", "--boards", default=3, show_default=True, type=click.IntRange(1, 32), help="Virtual boards with meters.")
@options.json_option
def start(boards: int, as_json: bool) -> None:
    """Start a loopback farm: coordinator, exporter, virtual boards.

    \b
    Example:
      tercet farm start -n 3
      tercet farm run -k smoke
    """
    options.show(loopback.start(boards), as_json)


@farm.command()
@options.json_option
def stop(as_json: bool) -> None:
    """Stop the loopback farm."""
    options.show({"stopped": loopback.stop()}, as_json)


@farm.command()
@COORDINATOR
@options.json_option
def status(coordinator: str | None, as_json: bool) -> None:
    """Show a farm's places and the benches that are offered."""
    found = connect(coordinator)
    options.show({"coordinator": found.coordinator, "places": found.places(), "benches": found.benches()}, as_json)


@farm.command()
@COORDINATOR
@click.option("-k", "pattern", metavar="EXPRESSION", help="Only tests whose names match, as pytest's -k.")
@click.option("--suite", default=FOLDER, show_default="the checkout's hil", type=click.Path(path_type=Path), help="The tests.")
@options.json_option
@click.pass_context
def run(ctx: click.Context, coordinator: str | None, pattern: str | None, suite: Path, as_json: bool) -> None:
    """Run the hardware tests over all places; exit 1 unless all that ran passed.

    \b
    Example:
      tercet farm run --coordinator lab.local:20408
    """
    place = connect(coordinator)
    work = distribute.Distribution(place, suite, deque(distribute.collect(suite, pattern)), options.say)
    result = work.run(len(place.places()))
    options.show(result, as_json, suites.summary(result))
    ctx.exit(1 if result["failed"] or result["invalid"] or not result["passed"] else 0)


@farm.command(context_settings={"ignore_unknown_options": True})
@COORDINATOR
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@options.json_option
@click.pass_context
def each(ctx: click.Context, coordinator: str | None, words: tuple[str, ...], as_json: bool) -> None:
    """Run one command of tercet on every free place at once, beside its bench; {place} in it becomes the place's name.

    \b
    Example:
      tercet farm each profile graph.json --data digits -o costs-{place}.json
      tercet farm each hil --compare old.py new.py
    """
    result = everywhere.run(connect(coordinator), words, Path.cwd(), options.say)
    options.show(result, as_json, json.dumps(result, indent=1))
    ctx.exit(1 if result["failed"] or not result["results"] else 0)


@farm.command()
@options.hardware
@options.json_option
@click.pass_context
def check(ctx: click.Context, board_name: str | None, bench_file: str | None, as_json: bool) -> None:
    """Say whether a bench is ready for tests: port, prompt, firmware, meter; exit 1 at the first that is broken."""
    with benches.select(board_name, Path(bench_file) if bench_file else None) as bench:
        ready = strategy.Readiness(bench)
        ready.reach()
    options.show({"reached": ready.reached, "broken": ready.broken, "reason": ready.reason}, as_json)
    ctx.exit(1 if ready.broken else 0)
