# SPDX-License-Identifier: Apache-2.0
"""`tercet pull` and `tercet push`: weights from a board and to it."""

from __future__ import annotations

import io
from pathlib import Path

import click
import numpy as np

from tercet import artifacts
from tercet.autodiff import graph as graphs
from tercet.board import bench as benches
from tercet.board.base import Board
from tercet.cli import options, progress, work
from tercet.cli.deploy import FOLDER
from tercet.model import graph as models
from tercet.plan import lower, weights_file
from tercet.train import card, federated, session
from tercet.train.job import FLASH_WEIGHTS_BYTES


@click.command()
@FOLDER
@options.hardware
@click.option("-o", "--out", default="trained.json", show_default=True, type=click.Path(path_type=Path),
              help="A model.json, its weights beside it; with --into an ONNX file; with --delta an .npz file.")  # fmt: skip
@click.option("--into", "source", metavar="FILE.onnx", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The ONNX file that the model came from: write it anew with the trained weights.")  # fmt: skip
@click.option("--delta", is_flag=True, help="Only what training changed, for averaging over several boards.")
@options.json_option
def pull(
    folder: Path, board_name: str | None, bench_file: str | None, out: Path, source: Path | None, delta: bool, as_json: bool
) -> None:  # fmt: skip
    """Bring the trained weights of FOLDER's model back from a board.

    \b
    Example:
      tercet pull run --board mine -o trained.json
      tercet pull run --board mine --into mine.onnx -o trained.onnx
      tercet pull run --board mine --delta -o delta.npz
    """
    if source is not None and delta:
        raise click.UsageError("--into and --delta exclude each other")
    with benches.select(board_name, Path(bench_file) if bench_file else None) as bench, Board(bench.serial) as board:
        raw = session.pull(board)
    save(folder, raw, out, source, delta)
    options.show({"model": str(out), "sha256": artifacts.sha256_bytes(raw)}, as_json)


def save(folder: Path, raw: bytes, out: Path, source: Path | None, delta: bool) -> None:
    """Writes a weights file of FOLDER's graph in one of three forms; raises ArtifactError when it is damaged or another's."""
    graph = graphs.load(folder / "graph.json")
    model, start = models.load(folder / "model.json")
    values = weights_file.decode(raw, graph, lower.graph_id(graph))
    trained = {name: values.get(name, start[name]) for name in start}
    if delta:
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **federated.delta(start, trained))
        artifacts.write_bytes(out, stream.getvalue())
    elif source is not None:
        from tercet.model.exchange.writer import write_back

        write_back(source, trained, out)
    else:
        models.save(model, trained, out)


@click.command()
@FOLDER
@click.argument("source", metavar="MODEL")
@options.hardware
@options.json_option
def push(folder: Path, source: str, board_name: str | None, bench_file: str | None, as_json: bool) -> None:
    """Send the weights of MODEL (a model.json or an ONNX file) to a board that FOLDER was deployed to.

    The board predicts with them and its next training starts from them; optimizer state starts at zero. More than 96 KiB of
    weights go to the card, where each block is read back.

    \b
    Example:
      tercet push run averaged.json --board mine
    """
    graph = graphs.load(folder / "graph.json")
    raw = weights_file.encode(graph, lower.graph_id(graph), work.read_model(source)[1])
    with (
        benches.select(board_name, Path(bench_file) if bench_file else None) as bench,
        Board(bench.serial) as board,
        progress.Steps(1) as bar,
    ):
        if len(raw) > FLASH_WEIGHTS_BYTES:
            card.push(board, bench.load_target(), raw, bench.card_image, work.operator_set(graph), bar.transfer)
        else:
            session.push(board, raw)
    options.show({"model": source, "bytes": len(raw), "sha256": artifacts.sha256_bytes(raw)}, as_json)
