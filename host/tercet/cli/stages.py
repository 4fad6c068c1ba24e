# SPDX-License-Identifier: Apache-2.0
"""The stages between a network and a plan, one artefact in, one artefact out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tercet.cli import options, work


@click.command()
@click.argument("source")
@click.option("--init", "seed", type=int, metavar="SEED", help="Start from fresh weights of this seed.")
@click.option("--train-last", type=int, metavar="K", help="Freeze all but the last K layers with parameters.")
@click.option("--freeze", multiple=True, metavar="PATTERN", help="Freeze the parameters whose names match.")
@click.option("-o", "--out", default="model.json", show_default=True, type=click.Path(), help="Where to write it.")
@options.json_option
def model(source: str, seed: int | None, train_last: int | None, freeze: tuple[str, ...], out: str, as_json: bool) -> None:
    """Write model.json and its weights from SOURCE: an ONNX file, a model.json or a network of the zoo.

    \b
    Example:
      tercet model lenet-28 --init 1 -o model.json
      tercet model mine.onnx --train-last 2
    """
    options.show(work.import_model(source, seed, train_last, freeze, Path(out)), as_json)


@click.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(exists=True, dir_okay=False))
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Samples a step.")
@click.option("--loss", default="softmax_cross_entropy", show_default=True, help="The loss.")
@click.option("--optimizer", default="sgd", show_default=True, help="sgd, momentum, nesterov, adam or adamw.")
@click.option("--rate", type=float, help="The learning rate.")
@click.option("--micro-batches", default=1, show_default=True, type=click.IntRange(1), help="Parts of a batch.")
@options.tile_option
@click.option("-o", "--out", default="graph.json", show_default=True, type=click.Path(), help="Where to write it.")
@options.json_option
def graph(model_file: str, as_json: bool, out: str, **settings: Any) -> None:
    """Write the training graph of MODEL: forward, loss, backward and update.

    \b
    Example:
      tercet graph model.json --batch 16 --optimizer momentum --rate 0.05
    """
    options.show(work.build_graph(Path(model_file), Path(out), **settings), as_json)


@click.command()
@click.argument("graph_file", metavar="GRAPH", type=click.Path(exists=True, dir_okay=False))
@click.argument("schedule_file", metavar="SCHEDULE", type=click.Path(exists=True, dir_okay=False))
@click.option("--target", default="nrf52840dk", show_default=True, help="The kind of board; `tercet targets` lists them.")
@click.option("--ram", type=options.Size(), help="Refuse a plan whose arena is larger.")
@options.overlap
@options.encrypt
@click.option("-o", "--out", default="plan.bin", show_default=True, type=click.Path(), help="Where to write it.")
@options.json_option
def plan(graph_file: str, schedule_file: str, out: str, as_json: bool, **settings: Any) -> None:
    """Lower SCHEDULE to plan.bin: offsets and records for the board; plan.txt beside it can be read.

    \b
    Example:
      tercet plan graph.json schedule.json --ram 96k
    """
    options.show(work.write_plan(Path(graph_file), Path(schedule_file), Path(out), **settings), as_json)
