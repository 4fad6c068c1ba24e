# SPDX-License-Identifier: Apache-2.0
"""`tercet hil`: the hardware tests on any board."""

from __future__ import annotations

from pathlib import Path

import click

from tercet import resources
from tercet.cli import options
from tercet.farm import ab
from tercet.farm import suite as suites

FOLDER = resources.CHECKOUT / "hil"
PATHS = click.Path(path_type=Path)
CODE = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("tests", nargs=-1, metavar="[TEST]...")
@options.hardware
@click.option("-k", "pattern", metavar="EXPRESSION", help="Only tests whose names match, as pytest's -k.")
@click.option("--suite", default=FOLDER, show_default="the checkout's hil", type=PATHS, help="The folder of tests.")
@click.option("--junit", type=PATHS, help="Also write a JUnit file.")
@click.option("--exitfirst", "exit_first", is_flag=True, help="Stop at the first test that does not pass.")
@click.option("--compare", nargs=2, type=CODE, metavar="OLD NEW", help="Instead: energy of NEW against OLD, MicroPython files.")
@click.option("--setup", type=CODE, help="Runs before both, once.")
@click.option("--pairs", default=20, show_default=True, type=click.IntRange(2, 500), help="How often both are compared.")
@click.option("--record", is_flag=True, help="Keep the result of a real bench under hil/records.")
@options.json_option
@click.pass_context
def hil(
    ctx: click.Context, tests: tuple[str, ...], board_name: str | None, bench_file: str | None, pattern: str | None, suite: Path,
    junit: Path | None, exit_first: bool, compare: tuple[str, str] | None, setup: str | None, pairs: int, record: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Run the hardware tests: smoke, card, kernels, training, energy; exit 1 unless all that ran passed.

    \b
    Example:
      tercet hil -k smoke
      tercet hil --bench bench.toml --record
      tercet hil --compare old.py new.py --bench bench.toml
    """
    bench = Path(bench_file) if bench_file else None
    if compare:
        options.show(ab.compare(board_name, bench, *map(_text, compare), setup=_text(setup), pairs=pairs), as_json)
        return
    chosen = suites.Selection(suite, board_name, bench, pattern, junit, tests, exit_first)
    result = suites.recorded(chosen, quiet=as_json) if record else suites.run(chosen, quiet=as_json)
    options.show(result, as_json, suites.summary(result))
    ctx.exit(1 if result["failed"] or result["invalid"] or not result["passed"] else 0)


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8") if path else ""
