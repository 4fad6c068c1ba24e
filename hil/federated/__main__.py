# SPDX-License-Identifier: Apache-2.0
"""Federated averaging over three virtual boards, each of which has seen other digits than its neighbours.

    python hil/federated [--rounds N] [--steps N] [--json]

Each round every board trains from the common weights on its own samples, which never leave it; only what training changed
comes back and is averaged. Held-out digits of all ten classes judge.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from tercet import resources, targets
from tercet.autodiff import reference, training_graph
from tercet.board import virtual
from tercet.board.base import Board
from tercet.model import initialise, mlp
from tercet.plan import lower, weights_file
from tercet.plan.dataset_file import PackedData
from tercet.plan.keep import keep_all
from tercet.train import data, federated, job, session

TARGET = targets.load("nrf52840dk")
MODEL = mlp("digits", [64, 32, 10])
GRAPH = training_graph(MODEL, 16, optimizer={"name": "sgd", "rate": 0.1})
PLAN = lower.lower(GRAPH, keep_all(GRAPH), target=TARGET.name, budget_bytes=64 * 1024)
CLASSES = ((0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9))
Weights = dict[str, np.ndarray]


def shares(packed: PackedData) -> list[PackedData]:
    """The training samples of each board: four classes of ten, one in common with each neighbour."""
    rows, labels = packed.rows[: packed.training], packed.labels[: packed.training]
    found = []
    for number, classes in enumerate(CLASSES):
        mine = np.isin(labels, classes) & (np.arange(len(labels)) % len(CLASSES) == number)
        found.append(replace(packed, rows=rows[mine], labels=labels[mine], training=int(mine.sum())))
    return found


def train(board: Board, share: PackedData, start: Weights, steps: int, seed: int) -> Weights:
    """What a board's training changed."""
    settings = job.Settings(steps, seed, evaluate=False, report_every=steps, baseline_ms=1)
    order = job.make_job(GRAPH, PLAN, start, share, TARGET, settings)
    session.deploy(board, order, TARGET)
    session.run(board, order)
    trained = weights_file.decode(session.pull(board), GRAPH, PLAN.graph_id)
    return federated.delta(start, trained)


def accuracy(packed: PackedData, weights: Weights) -> float:
    """The share of the held-out digits that the weights get right."""
    inputs, labels = packed.batch(np.arange(packed.training, len(packed.rows)))
    return reference.evaluate(MODEL, weights, inputs, labels)


def run(rounds: int, steps: int) -> list[dict[str, object]]:
    """A row each round: accuracy of the average and of what each board has by itself."""
    packed, rows, weights = data.load("digits"), [], initialise(MODEL, 1)
    parts = shares(packed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tercet-federated-")))
        boards = []
        for number in range(len(parts)):
            options = {"image": resources.firmware(TARGET.name), "state": folder / str(number), "pace": "max"}
            running = stack.enter_context(virtual.temporary(**options))
            boards.append(stack.enter_context(Board(running.serial)))
        for number in range(1, rounds + 1):
            deltas = [train(board, part, weights, steps, number) for board, part in zip(boards, parts, strict=True)]
            alone = [accuracy(packed, federated.averaged(weights, [change], [1])) for change in deltas]
            weights = federated.averaged(weights, deltas, [part.training for part in parts])
            rows.append({"round": number, "accuracy": accuracy(packed, weights), "alone": alone})
            print(f"round {number}: {rows[-1]['accuracy']:.1%}; each board alone "
                  f"{', '.join(f'{value:.1%}' for value in alone)}", file=sys.stderr, flush=True)  # fmt: skip
    return rows


def main() -> None:
    """Prints the rounds, with `--json` as one list."""
    parser = argparse.ArgumentParser(prog="federated", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=20, help="steps of each board a round")
    parser.add_argument("--json", action="store_true", help="the rows on stdout")
    given = parser.parse_args()
    rows = run(given.rounds, given.steps)
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
