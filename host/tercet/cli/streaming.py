# SPDX-License-Identifier: Apache-2.0
"""`tercet bench runtime`: how near the paging runtime comes to what bus, card and processor allow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tercet.autodiff.graph import Graph
from tercet.autodiff.training import training_graph
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.cli import costing, footprint, work
from tercet.costs import CostTable
from tercet.errors import InputError
from tercet.model import initialise, zoo
from tercet.model.builder import Builder
from tercet.model.graph import Model
from tercet.plan import lower
from tercet.plan.dataset_file import PackedData
from tercet.profile import bench as profiling
from tercet.profile import card_probe, runtime
from tercet.profile.runtime import Rows, row
from tercet.solve import Problem, Schedule, from_graph, replay, solve
from tercet.solve.overlap import hide
from tercet.targets import Target
from tercet.train import card, job, session

_STEPS = 6
_SOLVE_S = 10.0
_BASELINE_MW = 1000.0
FAST_HZ = 32_000_000
MODES = {"plain": False, "sealed": True}


def conv_chain() -> Model:
    """Eight equal convolutions: half of the store-all peak then holds three of their activations."""
    net = Builder("conv-chain", (1, 16, 16))
    for _ in range(8):
        net.conv(12, 3, padding=1).relu()
    return net.max_pool(4).flatten().dense(10, init="glorot").model()


def images(model: Model) -> PackedData:
    """25 random images of the model's input, one held out."""
    rng = np.random.default_rng(8)
    features = int(np.prod(model.input_shape))
    return PackedData(rng.integers(0, 256, (25, features)).astype(np.uint8), rng.integers(0, 10, 25), 24, 10, 1 / 255, -0.5)


def run(bench: Bench, *, say: Callable[[str], None]) -> Rows:
    """Rows {"name","value","unit","provenance"}; times are the board's own, those of a virtual board `modelled`."""
    target = bench.load_target()
    if not target.card:
        raise InputError(f"{bench.name}: {target.name} has no card in its target file")
    provenance = "measured" if bench.kind == "attached" else "modelled"
    rows: Rows = []
    with Board(bench.serial) as board, tempfile.TemporaryDirectory(prefix="tercet-runtime-") as folder:
        first = card.prepare(board, target, 512 * 1024, operators="cnn")["first_block"]
        for limit_hz in (0, FAST_HZ):
            rows += paging(board, target, limit_hz, first, provenance, say)
        for mode, encrypted in MODES.items():
            say(f"a convolutional network at half its store-all peak, {mode}")
            subject = Network(board, bench, conv_chain(), 2, encrypted, True, Path(folder, f"{mode}.json"), say)
            rows += overlapped(subject, mode, provenance)
            if not encrypted:
                rows += overlapped(subject, mode, provenance, "page-all")
        say("what Python takes of a step")
        rows.append(overhead(Network(board, bench, zoo.lenet_28(), 4, True, False, Path(folder, "lenet.json"), say), provenance))
    return rows + footprint.library_bytes(say)


def paging(board: Board, target: Target, limit_hz: int, first: int, provenance: str, say: Callable[[str], None]) -> Rows:
    """Rows of pages in each mode at the rate that the card's bus reaches when it may go up to `limit_hz`, and that rate."""
    wired = {**target.card, "max_hz": limit_hz}
    times = card_probe.probe(board, wired, first)
    suffix = f"-{FAST_HZ / 1e6:g}-mhz" if limit_hz else ""
    rows = [row(f"card-bus{suffix}", times.hz / 1e6, "MHz", provenance)]
    for mode, encrypted in MODES.items():
        say(f"pages, {mode}, {times.hz / 1e6:g} MHz on the card's bus")
        runner = profiling.Bench(
            board, target, None, store={"kind": "card", **wired}, encrypted=encrypted, overlap=True, progress=say
        )  # fmt: skip
        rows += runtime.pages(runner, times, f"{mode}{suffix}", provenance)
    return rows


@dataclass
class Network:
    """A network with its costs on a board."""

    board: Board
    bench: Bench
    model: Model
    batch: int
    encrypted: bool
    overlap: bool
    costs_path: Path
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.graph: Graph = training_graph(self.model, self.batch, pool_keeps="input")
        self.data = images(self.model)
        self.costs: CostTable = costing.cost_table(
            self.costs_path, self.graph, self.data, self.board, self.bench, None, self.say, self.encrypted,
            self.overlap,
        )  # fmt: skip

    def problem(self, overlap: bool) -> Problem:
        """The scheduling problem without budgets."""
        return from_graph(self.graph, self.costs, overlap=overlap)

    def step_us(self, schedule: Schedule, overlap: bool) -> float:
        """The median time of a step on the board."""
        target = self.bench.load_target()
        plan = lower.lower(
            self.graph, schedule, target=target.name, budget_bytes=0, overlap=overlap, encrypted=self.encrypted
        )  # fmt: skip
        order = job.make_job(
            self.graph, plan, initialise(self.model, 1), self.data, target,
            job.Settings(_STEPS, metered_steps=_STEPS, evaluate=False, baseline_ms=1),
        )  # fmt: skip
        session.deploy(self.board, order, target, work.operator_set(self.graph))
        return float(median(session.run(self.board, order).last("metered")["times_us"]))


def overlapped(subject: Network, mode: str, provenance: str, strategy: str = "page-only") -> Rows:
    """How much of the waiting for bus and card is hidden by computation, and how well the step's time was predicted."""
    # without a meter no state of the board has a power: with one, time is worth something to the solver
    problem = replace(subject.problem(overlap=True), baseline_mw=_BASELINE_MW)
    peak = solve(problem, "keep-all").peak_bytes
    halved = problem.with_budgets(peak // 2, problem.deadline_ns, problem.card_bytes)
    schedule = hide(halved, solve(halved, strategy, time_limit_s=_SOLVE_S).schedule)
    predicted = replay(halved, schedule)
    beside_us, serial_us = subject.step_us(schedule, True), subject.step_us(schedule, False)
    # in turn, what a step takes beyond the processor's own time is waiting for bus and card
    step_us = subject.costs.step.time_us
    waiting_us = serial_us - predicted.cpu_ns / 1e3 - step_us
    predicted_us = predicted.time_ns / 1e3 + step_us
    figures = {
        "step": (beside_us / 1e3, "ms"), "step-predicted": (predicted_us / 1e3, "ms"),
        "makespan-error": (100 * (predicted_us / beside_us - 1), "%"),
        "step-without-overlap": (serial_us / 1e3, "ms"), "bus": (predicted.bus_ns / 1e6, "ms"),
        "waiting": (waiting_us / 1e3, "ms"), "waiting-covered": (100 * (serial_us - beside_us) / waiting_us, "%"),
        "peak-of-store-all": (100 * predicted.peak_bytes / peak, "%"), "paged-out": (len(schedule.paged_out), "tensors"),
    }  # fmt: skip
    return [row(f"conv-chain-{strategy}-{mode}-{name}", value, unit, provenance) for name, (value, unit) in figures.items()]


def overhead(subject: Network, provenance: str) -> dict[str, Any]:
    """What a step of LeNet-28 takes besides its native operators: starting and ending it, and reading its samples."""
    schedule = solve(subject.problem(overlap=False), "keep-all").schedule
    total_us = subject.step_us(schedule, False)
    reads_us = sum(subject.costs.op(node.signature).time_us for node in subject.graph.nodes if node.op.startswith("read_"))
    value = 100 * (subject.costs.step.time_us + reads_us) / total_us
    return row("lenet-28-b4-interpreter-overhead", value, "%", provenance)
