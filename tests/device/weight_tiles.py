# SPDX-License-Identifier: Apache-2.0
"""Networks whose weights exceed the board's RAM: `make weight-tiles` trains each of them twenty steps in every way.

Two RAM budgets on the 256 KB virtual board, all in RAM on one of 1 MB, and the NumPy reference.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import board_process
import numpy as np
from tercet import resources, targets
from tercet.autodiff import reference, training_graph
from tercet.autodiff.graph import Graph
from tercet.board.base import Board
from tercet.cli import work
from tercet.costs import CostTable, OpCost, PageCost
from tercet.model import Model, initialise, mlp, zoo
from tercet.plan import lower, weights_file
from tercet.plan.dataset_file import PackedData, batches
from tercet.plan_format import Plan
from tercet.solve import from_graph, solve
from tercet.train import card, data, session
from tercet.train.job import Job, Settings, make_job

TARGET = targets.load("nrf52840dk")
TILE_BYTES = 24 * 1024
RATE = 0.02


@dataclass(frozen=True)
class Network:
    """A network, how it is trained, and two budgets in which its weights do not fit."""

    name: str
    model: Model
    batch: int
    source: str
    budgets: tuple[int, int]
    # where every kilobyte of RAM or flash counts: the portable card driver, and pages with a checksum only
    frugal: bool = False

    @property
    def target(self) -> targets.Target:
        """The board, without its native card driver for a frugal network."""
        card_settings = {key: value for key, value in TARGET.card.items() if key != "native"}
        return replace(TARGET, card=card_settings) if self.frugal else TARGET

    def graph(self) -> Graph:
        """Its training graph in tiles."""
        return training_graph(self.model, self.batch, optimizer={"name": "sgd", "rate": RATE}, tile_bytes=TILE_BYTES)

    def data(self, whole: bool) -> PackedData:
        """The named data set, or 24 random images that need no fetching."""
        if whole and self.source:
            return data.load(self.source)
        rng = np.random.default_rng(4)
        features = int(np.prod(self.model.input_shape))
        return PackedData(rng.integers(0, 256, (24, features)).astype(np.uint8), rng.integers(0, 10, 24), 20, 10, 1 / 255, -0.4)


NETWORKS = {
    network.name: network
    for network in (
        Network("784-128-10", mlp("784-128-10", [784, 128, 10]), 1, "mnist-5k", (150 * 1024, 110 * 1024), True),
        Network("lenet-5", zoo.build("lenet-5"), 2, "mnist-5k", (132 * 1024, 120 * 1024)),
        # no data set of 32 x 32 colour images comes with tercet
        Network("resnet-8", zoo.build("resnet-8").frozen(patterns=("batch_norm*",)), 1, "", (143 * 1024, 145 * 1024), True),
    )
}


def plan_of(graph: Graph, ram_bytes: int | None, encrypted: bool = True, time_limit_s: float = 10.0) -> Plan:
    """A plan within the budget, solved anew while placement costs bytes over the live peak; None: all in RAM.

    The costs are modelled: 4 cycles a multiply-accumulate, an ordinary card at 16 MHz.
    """
    ops = {node.signature: OpCost(node.macs / 16 + 100, node.macs / 2 + 800) for node in graph.nodes}
    table = CostTable("modelled", ops, PageCost(900, 420, 40, 8000, 6000), PageCost(500, 320, 40, 6000, 3000), 8.0)
    budget = ram_bytes
    while True:
        strategy = "keep-all" if budget is None else "exact"
        found = solve(from_graph(graph, table, ram_bytes=budget), strategy, time_limit_s=time_limit_s)
        plan = lower.lower(graph, found.schedule, target=TARGET.name, budget_bytes=ram_bytes or 0, encrypted=encrypted)
        if budget is None or ram_bytes is None or plan.peak_bytes <= ram_bytes:
            return plan
        budget -= min(plan.peak_bytes - ram_bytes, 1024)


def job_of(network: Network, graph: Graph, plan: Plan, packed: PackedData, steps: int) -> Job:
    """The job of so many steps."""
    settings = Settings(steps, report_every=1, evaluate=False)
    return make_job(graph, plan, initialise(network.model, 1), packed, network.target, settings)


@contextmanager
def board_of(ram_kb: int) -> Iterator[tuple[Board, str]]:
    """A virtual board of its own with so much RAM, and the image of its card."""
    with tempfile.TemporaryDirectory(prefix="tercet-tiles-") as folder:
        options = ("--image", resources.firmware(TARGET.name), "--pace", "max", "--ram-kb", str(ram_kb))
        running = board_process.start(Path(folder), *options, name=f"tiles-{ram_kb}")
        try:
            with Board(running.serial) as board:
                yield board, str(running.sd)
        finally:
            running.stop()


def on_board(
    network: Network, board: Board, image: str, graph: Graph, plan: Plan, job: Job
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:  # fmt: skip
    """Weights after the job, and what the board told at its end."""
    operators = work.operator_set(graph)
    card.place_job(board, network.target, job, image, operators)
    session.deploy(board, job, network.target, operators)
    done = session.run(board, job, silence_s=600).last("done")
    assert done["peak_arena_bytes"] <= plan.peak_bytes
    return weights_file.decode(session.pull(board), graph, plan.graph_id), done


def expected(network: Network, graph: Graph, packed: PackedData, steps: int) -> dict[str, np.ndarray]:
    """The reference's weights after the same steps."""
    order = [_shaped(network, packed.batch(samples)) for samples in batches(packed.training, network.batch, 1, steps)]
    return reference.train(graph, initialise(network.model, 1), order)[0]


def _shaped(network: Network, batch: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return batch[0].reshape(-1, *network.model.input_shape), batch[1]


def distance(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    """The largest relative distance of a tensor."""
    return max(
        float(np.linalg.norm(found[name] - value) / max(float(np.linalg.norm(value)), 1e-3)) for name, value in wanted.items()
    )


def prove(network: Network, steps: int, say: Callable[[str], None]) -> list[dict[str, object]]:
    """Trains in every way; raises AssertionError when bits differ. Returns rows of `make bench-…` for this network."""
    graph, packed = network.graph(), network.data(whole=True)
    weight_bytes = sum(tensor.nbytes for tensor in graph.persistent)
    found, rows = [], [(f"{network.name} weights", weight_bytes, "B")]
    with board_of(256) as (board, image):
        for budget in network.budgets:
            plan = plan_of(graph, budget, not network.frugal)
            assert plan.peak_bytes <= budget < weight_bytes
            weights, done = on_board(network, board, image, graph, plan, job_of(network, graph, plan, packed, steps))
            found.append(weights)
            traffic = (done["bytes_in"] + done["bytes_out"]) // steps
            rows += [(f"{network.name} arena in {budget}", done["peak_arena_bytes"], "B"),
                     (f"{network.name} paged a step in {budget}", traffic, "B")]  # fmt: skip
            say(f"{network.name}: {steps} steps in {done['peak_arena_bytes']} bytes, {traffic} paged a step")
    with board_of(1024) as (board, image):
        plan = plan_of(graph, None, not network.frugal)
        found.append(on_board(network, board, image, graph, plan, job_of(network, graph, plan, packed, steps))[0])
        say(f"{network.name}: {steps} steps in {plan.peak_bytes} bytes, on a board of 1 MB")
    assert all((weights[name] == found[0][name]).all() for weights in found for name in found[0])
    apart = distance(found[0], expected(network, graph, packed, steps))
    assert apart <= 1e-4
    rows += [(f"{network.name} relative distance from the reference", apart, "1"), (f"{network.name} steps", steps, "1")]
    return [{"name": name, "value": value, "unit": unit, "provenance": "modelled"} for name, value, unit in rows]


def main() -> None:
    """Prints a table and writes build/bench/weight-tiles.json."""
    rows = []
    for name in sys.argv[1:] or NETWORKS:
        rows += prove(NETWORKS[name], 20, lambda line: print(line, file=sys.stderr, flush=True))
    out = board_process.ROOT / "build" / "bench" / "weight-tiles.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1))
    for row in rows:
        print(f"{row['name']:<52} {row['value']:>12.6g} {row['unit']}")


if __name__ == "__main__":
    main()
