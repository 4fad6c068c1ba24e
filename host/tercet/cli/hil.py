# SPDX-License-Identifier: Apache-2.0
"""`tercet hil`: the hardware tests on any board."""

from __future__ import annotations

from pathlib import Path

import click

from tercet import resources
from tercet.cli import options
from tercet.farm import suite as suites

FOLDER = resources.CHECKOUT / "hil"
PATHS = click.Path(path_type=Path)


@click.command()
@options.hardware
@click.option("-k", "pattern", metavar="EXPRESSION", help="Only tests whose names match, as pytest's -k.")
@click.option("--suite", default=FOLDER, show_default="the checkout's hil", type=PATHS, help="The folder of tests.")
@click.option("--junit", type=PATHS, help="Also write a JUnit file.")
@click.option("--record", is_flag=True, help="Keep the result of a real bench under hil/records.")
@options.json_option
@click.pass_context
def hil(
    ctx: click.Context, board_name: str | None, bench_file: str | None, pattern: str | None, suite: Path, junit: Path | None,
    record: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run the hardware tests: smoke, card, kernels, training, energy; exit 1 unless all that ran passed.

    \b
    Example:
      tercet hil -k smoke
      tercet hil --bench bench.toml --record
    """
    chosen = suites.Selection(suite, board_name, Path(bench_file) if bench_file else None, pattern, junit)
    bench = suites.identity(chosen) if record else None
    result = suites.run(chosen, quiet=as_json)
    if bench:
        result["record"] = str(suites.record(result, bench, suite / "records"))
    options.show(result, as_json, suites.summary(result))
    ctx.exit(1 if result["failed"] or result["invalid"] or not result["passed"] else 0)
