# SPDX-License-Identifier: Apache-2.0
"""`tercet deploy`: a plan and its files onto a board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tercet import plan_format
from tercet.autodiff import graph as graphs
from tercet.board import bench as benches
from tercet.board.base import Board
from tercet.cli import options, work
from tercet.kernel_table import KERNELS
from tercet.model import graph as models
from tercet.train import boot, card, data, job, session

FOLDER = click.argument("folder", default="run", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.command()
@FOLDER
@click.option("--data", "source", required=True, help="A named set, an .npz or an .npy file.")
@options.hardware
@click.option("--steps", default=200, show_default=True, type=click.IntRange(1), help="Steps that the job shall run.")
@options.course
@click.option("--at-boot", is_flag=True, help="The board itself starts the job, and goes on with it after a loss of power.")
@options.json_option
def deploy(
    folder: Path, source: str, board_name: str | None, bench_file: str | None, as_json: bool, **settings: Any
) -> None:  # fmt: skip
    """Copy kernels, library and the plan, weights and data of FOLDER onto a board; what is there already is skipped.

    The job can then be started on the board: `from tercet_device import loop; loop.main("/tercet/job.json")`. With --at-boot
    a main.py does that at each start until the job is done.

    \b
    Example:
      tercet deploy run --data digits --board mine
      tercet deploy run --data digits --board mine --steps 5000 --checkpoint-every 50 --at-boot
    """
    with benches.select(board_name, Path(bench_file) if bench_file else None) as bench, Board(bench.serial) as board:
        written = send(folder, source, board, bench, job.Settings(**settings))
    options.show({"written": written}, as_json, "\n".join(written) or "everything was there already")


def send(folder: Path, source: str, board: Board, bench: benches.Bench, settings: job.Settings) -> list[str]:
    """Makes the job of a folder's artefacts and brings it onto a board; returns the paths that were written."""
    graph = graphs.load(folder / "graph.json")
    model, weights = models.load(folder / "model.json")
    counts = {k.opcode: (len(k.tensors), len(k.dims)) for k in KERNELS.values()}
    counts |= {plan_format.PAGE_OUT: (2, 4), plan_format.PAGE_IN: (2, 4), plan_format.WAIT: (0, 0)}
    plan = plan_format.decode((folder / "plan.bin").read_bytes(), counts)
    target = bench.load_target()
    packed = data.load(source, regression=graph.loss != "softmax_cross_entropy")
    order = job.make_job(graph, plan, weights, packed, target, settings)
    order = work.with_prediction(order, model, graph, packed, target)
    card.place_job(board, target, order, bench.card_image, work.operator_set(graph))
    written = session.deploy(board, order, target, work.operator_set(graph))
    boot.place(board, order) if settings.at_boot else boot.remove(board)
    return written
