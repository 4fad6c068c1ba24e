# SPDX-License-Identifier: Apache-2.0
"""`tercet profile`, `train`, `measure` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tercet.autodiff import graph as graphs
from tercet.board import bench as benches
from tercet.cli import costing, options, pipeline, progress, whole, work
from tercet.profile import grid as grids
from tercet.report import page
from tercet.train import data

OUT = click.option("--out", default="run", show_default=True, type=click.Path(file_okay=False, path_type=Path),
                   help="Where the artefacts go.")  # fmt: skip


@click.command()
@click.argument("graph_file", metavar="[GRAPH]", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--grid", metavar="NAME", help="Instead of GRAPH: a grid of shapes and a model fitted to it (dense, cnn, all).")
@click.option("--stalls", is_flag=True, help="With GRAPH: count the card's stalls too, as a grid does (5,120 blocks each way).")
@click.option("--loss", default="softmax_cross_entropy", show_default=True, help="The grid's loss.")
@click.option("--optimizer", default="sgd", show_default=True, help="The grid's optimizer: sgd, momentum, nesterov, adam, adamw.")
@click.option("--data", "source", required=True, help="The data whose reading is timed: a named set, an .npz or .npy file.")
@options.hardware
@options.encrypt
@options.overlap
@click.option("-o", "--out", default="costs.json", show_default=True, type=click.Path(path_type=Path), help="Where to write it.")
@options.json_option
def profile(
    graph_file: str | None, grid: str | None, source: str, board_name: str | None, bench_file: str | None, out: Path,
    encrypt: bool, overlap: bool, stalls: bool, as_json: bool, **settings: str,
) -> None:  # fmt: skip
    """Time and meter every operator of GRAPH, or a grid of shapes, and the card's pages; what costs.json holds is kept.

    A grid is fitted: `tercet solve` then knows the costs of shapes that were never measured, within the residuals that are shown;
    the stalls of the card are counted too.

    \b
    Example:
      tercet profile graph.json --data digits --bench bench.toml
      tercet profile --grid cnn --data digits --bench bench.toml
    """
    if (graph_file is None) == (grid is None):
        raise click.UsageError("give either GRAPH or --grid")
    bench_path = Path(bench_file) if bench_file else None
    with benches.select(board_name, bench_path, sd=out.with_suffix(".card.img")) as bench, costing.flashed(bench) as parts:
        if grid:
            packed = data.load(source)
            wanted = grids.of_name(grid, packed.rows.shape[1], **settings)
            table = costing.grid_table(out, wanted, packed, *parts, options.say, encrypt, overlap)
        else:
            graph = graphs.load(str(graph_file))
            table = costing.cost_table(out, graph, data.load(source), *parts, options.say, encrypt, overlap, stalls)
    options.show(costing.describe(table, out), as_json, costing.text(table, out))


@click.command()
@click.argument("model")
@click.option("--data", required=True,
              help="A named set (digits, mnist-5k, ...), an .npz file with arrays x and y, or x.npy beside y.npy.")  # fmt: skip
@options.hardware
@click.option("--ram", type=options.Size(), required=True, help="The arena's budget.")
@click.option("--deadline-ms", type=click.FloatRange(min=0, min_open=True), help="The longest step.")
@click.option("--batch", default=16, show_default=True, type=click.IntRange(1), help="Samples a step.")
@click.option("--steps", default=200, show_default=True, type=click.IntRange(1), help="Training steps.")
@click.option("--loss", default="softmax_cross_entropy", show_default=True, help="The loss.")
@click.option("--optimizer", default="sgd", show_default=True, help="sgd, momentum, nesterov, adam or adamw.")
@click.option("--rate", type=float, help="The learning rate.")
@click.option("--rate-schedule", default="constant", show_default=True, type=click.Choice(("constant", "cosine", "linear")),
              help="How the rate falls over the steps.")  # fmt: skip
@click.option("--pool-keeps", default="argmax", show_default=True, type=click.Choice(("argmax", "input")),
              help="What maximum pooling keeps for its backward pass; its input takes more room, the pass less.")  # fmt: skip
@options.tile_option
@click.option("--init", type=int, metavar="SEED", help="Start from fresh weights.")
@click.option("--seed", default=1, show_default=True, help="Orders the samples.")
@options.course
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of the same job, with the same bits.")
@options.encrypt
@options.overlap
@OUT
@options.json_option
def train(
    board_name: str | None, bench_file: str | None, ram: int, optimizer: str, rate: float | None, rate_schedule: str,
    as_json: bool, **settings: Any,
) -> None:  # fmt: skip
    """Train MODEL (an ONNX file, a model.json or a network of the zoo) on a board, running every stage that is missing.

    \b
    Example:
      tercet train demo --data digits --ram 96k
      tercet train lenet-28 --data mnist-5k --batch 8 --ram 160k --pool-keeps input
      tercet train mine.onnx --data mine.npz --ram 150k --deadline-ms 400 --bench bench.toml
      tercet train demo --data digits --ram 96k --checkpoint-every 20 --resume
      tercet train demo --data digits --ram 96k --steps 2000 --validate-every 25 --patience 4
    """
    if not settings["encrypt"]:
        options.say(options.PLAIN_PAGES)
    request = pipeline.Request(ram_bytes=ram, optimizer=work.optimizer_settings(optimizer, rate, rate_schedule), **settings)
    bench_path = Path(bench_file) if bench_file else None
    start = {"state": request.path("board"), "sd": request.path("card.img")}
    request.out.mkdir(parents=True, exist_ok=True)
    with benches.select(board_name, bench_path, **start) as bench, progress.Steps(request.steps) as bar:
        outcome = whole.everything(request, bench, bar)
        result = whole.summarise(request, bench, outcome)
        page.write(request.out)
    options.show(result, as_json)


@click.command()
@click.argument("folder", default="run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options.json_option
@click.pass_context
def measure(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Compute the energy of the run in FOLDER from what was recorded; exit 1 when the measurement is invalid.

    \b
    Example:
      tercet measure run
    """
    body = pipeline.measure(folder)
    options.show(body, as_json)
    ctx.exit(0 if body["valid"] else 1)


@click.command()
@click.argument("folder", default="run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options.json_option
def report(folder: Path, as_json: bool) -> None:
    """Write report.html of the run in FOLDER.

    \b
    Example:
      tercet report run
    """
    options.show({"report": str(page.write(folder))}, as_json)
