# SPDX-License-Identifier: Apache-2.0
"""`tercet bench`: the tables of docs/, measured anew; the same as JSON under build/bench/."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from tercet import artifacts
from tercet.board import bench as benches
from tercet.cli import options

Rows = list[dict[str, Any]]
# name -> (function, whether it runs on a board); called with `say=`, and with the bench where it runs on one
BENCHES = {
    "kernels": ("tercet.profile.kernels:run", True),
    "solver": ("tercet.solve.bench:run", False),
    "board": ("tercet.board.speed:run", False),
    "runtime": ("tercet.profile.runtime:run", True),
    "compress": ("tercet.cli.bench:compression", True),
}


def compression(found: benches.Bench, *, say: Callable[[str], None]) -> Rows:
    """The compression table: trained on this machine, then the compressed network on the board."""
    from tercet.compress import bench as compress
    from tercet.profile import packed

    rows = compress.run(say=say)
    return rows + packed.run(found, packed.subject_of(compress.FOLDER), say=say)


def table(rows: Rows) -> str:
    """Rows of equal keys as aligned columns."""
    if not rows:
        return "nothing was measured"
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def named(rows: Rows) -> Rows:
    """`{"name","value","unit","provenance"}` rows; a workload's figures become a row each."""
    flat: Rows = []
    for row in rows:
        if "name" in row:
            flat.append(row)
            continue
        for unit, key in (("instructions", "instructions"), ("cycles", "cycles"), ("B", "ram_bytes")):
            entry = {"name": f"{row['workload']}-{key}", "value": row[key], "unit": unit, "provenance": row["provenance"]}
            flat.append(entry)
    return flat


@click.command()
@click.argument("what", type=click.Choice(sorted(BENCHES)))
@options.hardware
@options.json_option
def bench(what: str, board_name: str | None, bench_file: str | None, as_json: bool) -> None:
    """Measure a table: kernels, solver, board, runtime or compress; kernels and runtime on a board.

    \b
    Example:
      tercet bench kernels --json
    """
    place, on_board = BENCHES[what]
    module, _, name = place.partition(":")
    run: Callable[..., Rows] = getattr(import_module(module), name)
    if on_board:
        with benches.select(board_name, Path(bench_file) if bench_file else None) as found:
            rows = run(found, say=options.say)
    else:
        rows = run(say=options.say)
    artifacts.write_bytes(Path("build/bench") / f"bench-{what}.json", (json.dumps(named(rows), indent=1) + "\n").encode())
    options.show(rows, as_json, table(rows))
