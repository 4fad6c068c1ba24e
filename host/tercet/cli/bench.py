# SPDX-License-Identifier: Apache-2.0
"""`tercet bench`: the tables of docs/, measured anew; the same as JSON under build/bench/."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click

from tercet import artifacts
from tercet.board import bench as benches
from tercet.cli import options, tables

Say = Callable[[str], None]
# name -> its parts, each (function, whether it runs on a board); called with `say=`, and with the bench where it runs on one.
# The compression table is trained on this machine before a board is taken, which would only wait.
_PACKED = ("tercet.cli.bench:packed", True)
BENCHES = {
    "kernels": [("tercet.profile.kernels:run", True)],
    "solver": [("tercet.solve.bench:run", False)],
    "board": [("tercet.board.speed:run", False)],
    "runtime": [("tercet.cli.streaming:run", True)],
    "compress": [("tercet.compress.bench:run", False), _PACKED],
    "profile": [("tercet.cli.prediction:run", True)],
    "packed": [_PACKED],
}


def packed(found: benches.Bench, *, say: Say) -> tables.Rows:
    """The board's part of the compression table; trains the networks if no earlier run left them."""
    from tercet.compress import bench as compress
    from tercet.profile import packed as on_board

    compress.leave_both(say=say)
    rows = []
    for name, prefix in (("pruned", ""), ("deployed", "deployed-")):
        rows += on_board.run(found, on_board.subject_of(compress.FOLDER / name), say=say, prefix=prefix)
    return [compress.with_seeds(row) for row in rows]


@click.command()
@click.argument("what", type=click.Choice(sorted(BENCHES)))
@options.hardware
@click.option("--docs", type=click.Path(dir_okay=False), help="Also write the table as Markdown, with date and machine.")
@options.json_option
def bench(what: str, board_name: str | None, bench_file: str | None, docs: str | None, as_json: bool) -> None:
    """Measure a table: kernels, solver, board, runtime, profile, compress or packed (the board's part of compress).

    \b
    Example:
      tercet bench kernels --json
      tercet bench compress --docs docs/compression-table.md
    """
    rows = measured(what, board_name, bench_file)
    artifacts.write_bytes(Path("build/bench") / f"bench-{what}.json", (json.dumps(tables.named(rows), indent=1) + "\n").encode())
    if docs:
        artifacts.write_bytes(docs, page(what, rows).encode())
    options.show(rows, as_json, tables.table(rows))


def page(what: str, rows: tables.Rows) -> str:
    """The table as Markdown: the module's own page where it has one."""
    own = getattr(import_module(BENCHES[what][0][0].partition(":")[0]), "markdown", None)
    return own() if own else tables.markdown(f"Measured: {what}", f"tercet bench {what}", rows)


def measured(what: str, board_name: str | None, bench_file: str | None) -> tables.Rows:
    """The rows of a table, on the board that the options name where a part runs on one."""
    rows: tables.Rows = []
    for place, on_board in BENCHES[what]:
        module, _, name = place.partition(":")
        run: Callable[..., tables.Rows] = getattr(import_module(module), name)
        if not on_board:
            rows += run(say=options.say)
            continue
        with benches.select(board_name, Path(bench_file) if bench_file else None) as found:
            rows += run(found, say=options.say)
    return rows
