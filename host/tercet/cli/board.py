# SPDX-License-Identifier: Apache-2.0
"""`tercet board` and `tercet flash`: boards that are there, virtual boards, firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tercet import resources, targets
from tercet.board import bench as benches
from tercet.board import virtual
from tercet.board.flash import base as flashing
from tercet.cli import options, progress


@click.group()
def board() -> None:
    """Start, stop and list boards."""


@board.command()
@click.option("--name", help="Its name; the first free of board0, board1, ... otherwise.")
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="HEX, BIN or ELF (default: ours).")
@click.option("--sd", type=click.Path(dir_okay=False, path_type=Path), help="The card's image file; made when missing.")
@click.option("--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Faults to inject.")
@click.option("--pace", type=click.Choice(["realtime", "max"]), default="realtime", show_default=True,
              help="realtime holds virtual time to the wall clock; max runs as fast as this machine allows.")  # fmt: skip
@options.json_option
def start(as_json: bool, image: Path | None, **settings: Any) -> None:
    """Start a virtual board; it runs on in the background until `tercet board stop`.

    \b
    Example:
      tercet board start --name a --sd card.img
      mpremote connect /dev/pts/3
    """
    started = virtual.start(image=image or resources.firmware("nrf52840dk"), **settings)
    options.show(started.to_json(), as_json)


@board.command()
@click.argument("name", required=False)
@options.json_option
def stop(name: str | None, as_json: bool) -> None:
    """Stop the virtual board NAME, or all of them."""
    ended = virtual.stop(name)
    options.show({"stopped": ended}, as_json, "\n".join(ended) or "no virtual board is running")


@board.command("list")
@options.json_option
def list_(as_json: bool) -> None:
    """List attached boards that a target file knows, and virtual boards."""
    found = benches.attached()
    lines = [f"{b['name']:<20} {b['kind']:<9} {b['serial']:<30} {', '.join(b['targets'])}" for b in found]
    options.show(found, as_json, "\n".join(lines) or "no board is attached and no virtual board is running")


@click.command()
@options.hardware
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The image (default: tercet's).")
@click.option("--how", help="pyocd, openocd, ...: one of the ways that `tercet targets` names.")
@click.option("--unlock", is_flag=True, help="Erase a locked chip whole, its bootloader too.")
@options.json_option
def flash(
    board_name: str | None, bench_file: str | None, image: Path | None, how: str | None, unlock: bool, as_json: bool
) -> None:
    """Write MicroPython with tercet's port onto a board, checked before and after; can be run again after any failure.

    \b
    Example:
      tercet flash --board mine
      tercet flash --bench bench.toml --image firmware.hex
    """
    with benches.select(board_name, Path(bench_file) if bench_file else None) as bench:
        target = targets.load(bench.target)
        with progress.Steps(1) as bar:
            done = flashing.flash(bench, target, image or resources.firmware(bench.target), how=how, unlock=unlock,
                                  progress=bar.flashing)  # fmt: skip
    options.show(done, as_json)
