# SPDX-License-Identifier: Apache-2.0
"""`tercet card` and `tercet targets`."""

from __future__ import annotations

from pathlib import Path

import click

from tercet import targets as target_files
from tercet.board import bench as benches
from tercet.board.base import Board
from tercet.cli import options
from tercet.train import card as cards


@click.group()
def card() -> None:
    """Prepare the SD card of a board."""


@card.command()
@options.hardware
@click.option("--size", default="4M", show_default=True, type=options.Size(), help="Room for pages, data sets and weights.")
@click.option("--file", "in_file", is_flag=True,
              help="A file TERCET.PAG on a card that is formatted as FAT16 or FAT32, beside what it holds.")  # fmt: skip
@click.option("--force", is_flag=True,
              help="Also on a card that holds data: the data are lost. With --file: replace the page file.")  # fmt: skip
@options.json_option
def prepare(
    board_name: str | None, bench_file: str | None, size: int, in_file: bool, force: bool, as_json: bool
) -> None:  # fmt: skip
    """Make a partition for pages on the card, or a file; a card that holds anything is left alone without --force.

    \b
    Example:
      tercet card prepare --board mine --size 16M           # an empty card: a partition
      tercet card prepare --board mine --size 16M --file    # a FAT card: a file, all others stay
    """
    with benches.select(board_name, Path(bench_file) if bench_file else None) as bench, Board(bench.serial) as board:
        made = cards.prepare(board, bench.load_target(), size, force, in_file=in_file)
    options.show(made, as_json)


@click.command()
@options.json_option
def targets(as_json: bool) -> None:
    """List the kinds of boards that tercet knows.

    \b
    Example:
      tercet targets --json
    """
    found = [target_files.load(name) for name in target_files.names()]
    rows = [{"name": t.name, "title": t.title, "mcu": t.mcu, "flash": list(t.strategies)} for t in found]
    options.show(rows, as_json, "\n".join(f"{t.name:<22} {t.title:<48} {', '.join(t.strategies)}" for t in found))
