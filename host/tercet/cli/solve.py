# SPDX-License-Identifier: Apache-2.0
"""`tercet solve` and `tercet replay`: find a schedule, judge a schedule."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tercet import costs as costing
from tercet.cli import options
from tercet.errors import InputError
from tercet.solve import api
from tercet.solve import schedule as schedules
from tercet.solve.outcome import Replay
from tercet.solve.problem import EXACT, POET, Problem
from tercet.solve.replay import replay as judge
from tercet.solve.stalls import Stall, percentile_ms
from tercet.units import format_bytes, format_joules

INPUT = click.argument("source", metavar="INPUT", type=click.Path(exists=True, dir_okay=False))
COSTS = click.option("--costs", type=click.Path(exists=True, dir_okay=False), help="costs.json, where INPUT is a graph.")
SEMANTICS = click.option("--semantics", type=click.Choice([EXACT, POET]), default=EXACT, show_default=True,
                         help="exact: physical; poet: the published rules, for published instances.")  # fmt: skip


# What `exact` leaves out on demand, and the status then names: proofs are sooner there.
RESTRICTIONS: dict[str, dict[str, bool]] = {
    "late": {"forward_reruns": False}, "gradients-stay": {"gradients_stay": True}, "waits": {"waits": True},
}  # fmt: skip
STALL = click.option("--card-stall", metavar="CHANCE:MS", help="Say the 99th percentile of the step's time too, for a card "
                     "that stalls: 0.1%:100 is one written block in a thousand, for 100 ms.")  # fmt: skip


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that the best schedule so far is kept; the second ends the command."""
    event = threading.Event()
    previous = signal.getsignal(signal.SIGINT)

    def stop(*_: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, previous)
        options.say("stopping with the best so far; Ctrl-C again to give up")

    signal.signal(signal.SIGINT, stop)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


def _late(
    problem: Problem, source: str, costs: str | None, card_stall: str | None, schedule: schedules.Schedule
) -> dict[str, float]:
    """`time_p99_ms` for a card that stalls, as given or as the costs' profile saw it; nothing without one."""
    seen = Stall.of(costing.load(costs).page_out) if costs else None
    stall = Stall.parse(card_stall) if card_stall else seen
    # stalls are drawn on top of what a step takes without any
    usual = api.load(source, costs, stalls=False) if seen else problem
    return {} if stall is None else {"time_p99_ms": percentile_ms(usual, schedule, stall)}


def describe(result: dict[str, Any]) -> str:
    """A solution as people read it."""
    proof = "proved optimal" if result["status"] == "optimal" else f"{result['status']}, gap {result['gap'] or 0:.2%}"
    late = f", 99 % of the steps within {result['time_p99_ms']:.3f} ms" if "time_p99_ms" in result else ""
    return (
        f"{proof} in {result['solve_s']:.2f} s\n"
        f"energy   {format_joules(result['objective_j'])} a step\n"
        f"time     {result['time_ms']:.3f} ms a step{late}\n"
        f"RAM      {format_bytes(result['peak_bytes'])}\n"
        f"again    {', '.join(result['recomputed']) or 'nothing'}\n"
        f"paged    {', '.join(result['paged_out']) or 'nothing'}\n"
        f"provided {'; '.join(result['restrictions']) or 'nothing: no schedule is left out'}"
    )


@click.command()
@INPUT
@COSTS
@click.option("--ram", type=options.Size(), required=True, help="The arena's budget: 96k, 98304.")
@click.option("--deadline-ms", type=click.FloatRange(min=0, min_open=True), help="The longest step.")
@click.option("--card", type=options.Size(), help="What the card holds.")
@STALL
@click.option("--strategy", default="exact", show_default=True, help="exact, or a baseline.")
@SEMANTICS
@click.option("--time-limit", default=60.0, show_default=True, type=click.FloatRange(min=0.01), help="Seconds.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processor cores to use.")
@click.option("--every-place", is_flag=True, help="Leave out no choice of the large weights that live on the card.")
@click.option("--restrict", multiple=True, type=click.Choice(list(RESTRICTIONS)), help="Prove sooner, for less: nothing runs "
              "again before the loss; gradients stay; what frees no memory runs again only where it is read.")  # fmt: skip
@options.out_option
@options.json_option
def solve(
    source: str, costs: str | None, ram: int, deadline_ms: float | None, card: int | None, card_stall: str | None,
    strategy: str, semantics: str, time_limit: float, workers: int, every_place: bool, restrict: tuple[str, ...],
    out: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Find the schedule of least energy for INPUT (a graph or a published instance) within RAM and deadline.

    Ctrl-C ends the search with the best schedule so far and its bound.

    \b
    Example:
      tercet solve graph.json --costs costs.json --ram 96k --deadline-ms 120 -o schedule.json
      tercet solve vgg16_cifar__m4.json --ram 1200k --semantics poet
      tercet solve resnet-8.graph.json --costs resnet-8.costs.json --ram 476000 --restrict waits
    """
    if restrict and strategy != "exact":
        raise InputError(f"--restrict is for the exact strategy, not for {strategy}", hint="--strategy exact")
    problem = api.load(source, costs, semantics=semantics, ram_bytes=ram, deadline_ms=deadline_ms, card_bytes=card)
    left_out = {name: value for each in restrict for name, value in RESTRICTIONS[each].items()}
    with stopping() as stop:
        found = api.solve(
            problem, strategy, time_limit_s=time_limit, workers=workers, stop=stop, every_place=every_place, **left_out
        )  # fmt: skip
    if out:
        schedules.save(found.schedule, Path(out))
    result = found.to_dict() | _late(problem, source, costs, card_stall, found.schedule)
    options.show(result, as_json, describe(result))


@click.command()
@INPUT
@click.argument("schedule_file", metavar="SCHEDULE", type=click.Path(exists=True, dir_okay=False))
@COSTS
@click.option("--ram", type=options.Size(), help="Judge this budget too.")
@click.option("--deadline-ms", type=click.FloatRange(min=0, min_open=True), help="Judge this deadline too.")
@click.option("--card", type=options.Size(), help="Judge this capacity of the card too.")
@STALL
@SEMANTICS
@options.json_option
@click.pass_context
def replay(
    ctx: click.Context, source: str, schedule_file: str, costs: str | None, ram: int | None, deadline_ms: float | None,
    card: int | None, card_stall: str | None, semantics: str, as_json: bool,
) -> None:  # fmt: skip
    """Judge SCHEDULE for INPUT without any solver: legal or not and why, RAM, energy, time. Exit 1 when illegal.

    \b
    Example:
      tercet replay graph.json schedule.json --costs costs.json
    """
    problem = api.load(source, costs, semantics=semantics, ram_bytes=ram, deadline_ms=deadline_ms, card_bytes=card)
    schedule = schedules.load(schedule_file)
    outcome: Replay = judge(problem, schedule)
    late = _late(problem, source, costs, card_stall, schedule) if outcome.legal else {}
    options.show(outcome.to_dict() | late, as_json)
    ctx.exit(0 if outcome.legal else 1)
