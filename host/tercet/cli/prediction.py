# SPDX-License-Identifier: Apache-2.0
"""How well costs of one set of shapes predict training steps of networks that were never profiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tercet.autodiff import shape_cost
from tercet.board.bench import Bench
from tercet.cli import costing, pipeline
from tercet.cli.pipeline import Request
from tercet.costs import CostTable
from tercet.errors import MeterError
from tercet.measure import align, energy
from tercet.model import graph as models
from tercet.model.builder import Builder, mlp
from tercet.model.graph import Model
from tercet.profile import grid
from tercet.train import data

FOLDER = Path("build/bench/profile")
DATA = "digits"


def convolutional(name: str) -> Model:
    """Two convolutions whose channels fill no blocks, pooling, and a dense layer; images of 8 x 8."""
    net = Builder(name, (1, 8, 8)).conv(7, 3, padding=1).relu().max_pool(2).conv(13, 3, padding=1).relu().max_pool(2)
    return net.flatten().dense(10).model()


# network, batch, RAM budget: one with room for everything, one that pages and computes again, a small one, a convolutional one
NETWORKS = (
    (mlp("mlp-64-56-32-10", [64, 56, 32, 10]), 16, 180_000),
    (mlp("mlp-64-48-64-32-10", [64, 48, 64, 32, 10]), 48, 66_000),
    (mlp("mlp-64-30-10", [64, 30, 10]), 7, 60_000),
    (convolutional("cnn-7-13-10"), 10, 45_000),
)
_STEPS = 15


def run(found: Bench, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows `{"name","value","unit","predicted","error","provenance"}`: time and energy of a step of each network.

    `value` is the median of the steps by board and meter and `predicted` the cost of a step without stalls: a card stalls now and
    then, in one block of hundreds. `error` is the prediction as a share of the value, less one. Raises MeterError when a
    measurement is INVALID.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "costs.json").unlink(missing_ok=True)
    with costing.flashed(found) as parts:
        packed = data.load(DATA)
        table = costing.grid_table(FOLDER / "costs.json", grid.of_name("cnn", packed.rows.shape[1]), packed, *parts, say)
        usual = shape_cost.attach(table.unstalled())
        return [row for network, batch, ram in NETWORKS for row in step(network, batch, ram, usual, parts, say)]


def step(
    network: Model, batch: int, ram_bytes: int, table: CostTable, parts: costing.Parts, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The rows of one network: scheduled by the costs, trained for some metered steps."""
    board, bench, meter = parts
    name = network.name
    out = FOLDER / name
    models.save(network, models.initialise(network, 1), out / "network.json")
    shutil.copyfile(FOLDER / "costs.json", out / "costs.json")
    request = Request(str(out / "network.json"), DATA, out, ram_bytes, batch, steps=_STEPS, metered_steps=_STEPS)
    graph, weights, packed = pipeline.prepare(request)
    solution, plan = pipeline.schedule(request, pipeline.problem_of(request, graph, table), graph, bench.target)
    result = pipeline.train(request, graph, plan, weights, packed, board, bench, meter, lambda _: None, lambda *_: None)
    times_us, capture = np.array(result.last("metered")["times_us"]), result.capture
    if capture is None:
        raise MeterError(f"the bench {bench.name} has no meter: nothing to compare with")
    found = align.find(capture, len(times_us), region_pin=bench.pins.region, durations_s=times_us * 1e-6)
    measured = energy.measure(capture, found)
    if not measured.valid:
        raise MeterError(f"{name}: the measurement is INVALID: {'; '.join(measured.causes)}")
    time_ms, energy_j = float(np.median(times_us)) / 1000, float(np.median([region.gross_j for region in measured.regions]))
    say(f"{name}: {len(solution.paged_out)} paged, {len(solution.recomputed)} computed again")
    figures = (("time", time_ms, "ms", solution.time_ms), ("energy", energy_j * 1e6, "uJ", solution.objective_j * 1e6))
    return [
        {"name": f"{name}-{what}", "value": value, "unit": unit, "predicted": predicted,
         "error": round(predicted / value - 1, 5), "provenance": measured.provenance}
        for what, value, unit, predicted in figures
    ]  # fmt: skip
