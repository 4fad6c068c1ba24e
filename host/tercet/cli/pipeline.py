# SPDX-License-Identifier: Apache-2.0
"""Every stage from a network to a report, each run only when its artefact is missing or made from something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts, capture, plan_format
from tercet.autodiff import graph as graphs
from tercet.autodiff.graph import Graph
from tercet.autodiff.training import training_graph
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.cli import guards, work
from tercet.costs import CostTable
from tercet.errors import InfeasibleError, MeterError
from tercet.measure import align, energy
from tercet.meter.base import Meter
from tercet.model import graph as models
from tercet.plan import dump, lower
from tercet.plan_format import Plan
from tercet.solve import Problem, Solution, from_graph, solve
from tercet.solve import schedule as schedules
from tercet.targets import Target
from tercet.train import boot, card, data, job, records, session
from tercet.train.session import Run

Say = Callable[[str], None]
# Weights that would take more of the RAM are divided into tiles, of which so many would fill it.
_SHARE_OF_WEIGHTS, _TILES_IN_RAM = 0.75, 6


@dataclass(frozen=True)
class Request:
    """What a user asks for. `deadline_ms` None: no deadline. Files go to `out`."""

    model: str
    data: str
    out: Path
    ram_bytes: int
    batch: int = 16
    loss: str = "softmax_cross_entropy"
    optimizer: dict[str, Any] = field(default_factory=lambda: {"name": "sgd"})
    pool_keeps: str = "argmax"
    tile_bytes: int | None = None
    init: int | None = None
    deadline_ms: float | None = None
    steps: int = 200
    seed: int = 1
    encrypt: bool = True
    overlap: bool = False
    metered_steps: int = 20
    time_limit_s: float = 60.0
    validate_every: int = 0
    patience: int = 0
    checkpoint_every: int = 0
    resume: bool = False

    def path(self, name: str) -> Path:
        """Where an artefact lies."""
        return self.out / name


def prepare(request: Request) -> tuple[Graph, dict[str, np.ndarray], data.PackedData]:
    """Model, data and training graph; writes model.json and graph.json.

    Raises InputError when the board has no kernel for an operator, or the data are not what the model reads.
    """
    model, weights = work.read_model(request.model, request.init)
    models.save(model, weights, request.path("model.json"))
    packed = data.load(request.data, regression=request.loss != "softmax_cross_entropy")
    inputs = {"model.json": artifacts.sha256_file(request.path("model.json"))}
    graph = _graph(request, model, request.tile_bytes, inputs)
    if request.tile_bytes is None and sum(t.nbytes for t in graph.persistent) > _SHARE_OF_WEIGHTS * request.ram_bytes:
        graph = _graph(request, model, request.ram_bytes // _TILES_IN_RAM, inputs)
    guards.check(graph, packed, request.data)
    graphs.save(graph, request.path("graph.json"))
    return graph, weights, packed


def _graph(request: Request, model: models.Model, tile_bytes: int | None, inputs: dict[str, str]) -> Graph:
    return training_graph(
        model, request.batch, request.loss, request.optimizer, pool_keeps=request.pool_keeps, tile_bytes=tile_bytes,
        inputs=inputs,
    )  # fmt: skip


def schedule(request: Request, problem: Problem, graph: Graph, target: str) -> tuple[Solution, Plan]:
    """The solved schedule and its plan; solved again with a smaller budget while placement costs bytes over the live peak."""
    budget = request.ram_bytes
    while True:
        shrunk = problem.with_budgets(budget, problem.deadline_ns, problem.card_bytes)
        found = solve(shrunk, "exact", time_limit_s=request.time_limit_s)
        plan = lower.lower(
            graph, found.schedule, target=target, budget_bytes=request.ram_bytes, overlap=problem.overlap,
            encrypted=request.encrypt,
        )  # fmt: skip
        if plan.peak_bytes <= request.ram_bytes:
            break
        budget -= plan.peak_bytes - request.ram_bytes
    schedules.save(found.schedule, request.path("schedule.json"))
    artifacts.write_bytes(request.path("plan.bin"), plan_format.encode(plan))
    artifacts.write_bytes(request.path("plan.txt"), dump.text(graph, plan).encode())
    return found, plan


def problem_of(request: Request, graph: Graph, table: CostTable) -> Problem:
    """The scheduling problem under the request's budgets."""
    hashes = {name: artifacts.sha256_file(request.path(f"{name}.json")) for name in ("graph", "costs")}
    return from_graph(
        graph, table, ram_bytes=request.ram_bytes, deadline_ms=request.deadline_ms, inputs=hashes,
        overlap=table.overlap and request.overlap,
    )  # fmt: skip


def check_fits(request: Request, found: Solution) -> None:
    """Raises InfeasibleError when a schedule misses the budgets; a strategy that gave one is wrong."""
    if found.peak_bytes > request.ram_bytes:
        raise InfeasibleError(f"{found.peak_bytes} bytes, the budget is {request.ram_bytes}")


def train(
    request: Request, graph: Graph, plan: Plan, weights: dict[str, np.ndarray], packed: data.PackedData, board: Board,
    bench: Bench, meter: Meter | None, on_event: Callable[[dict[str, Any]], None], progress: Callable[[str, int, int], None],
) -> Run:  # fmt: skip
    """Deploys and trains; writes run.jsonl, capture.npz and trained.bin. What an interrupted run told is kept as well."""
    target = bench.load_target()
    work_order = make_job(request, graph, plan, weights, packed, target, meter is not None)
    operators = work.operator_set(graph)
    card.place_job(board, target, work_order, bench.card_image, operators, progress)
    session.deploy(board, work_order, target, operators, progress)
    boot.remove(board)
    inputs = {"plan.bin": artifacts.sha256_file(request.path("plan.bin"))}
    head = {"board": board.identity(), "bench": bench.name}
    before = records.load(request.path("run.jsonl"))[1] if request.resume and request.path("run.jsonl").exists() else []
    told: list[dict[str, Any]] = []

    def follow(event: dict[str, Any]) -> None:
        told.append(event)
        on_event(event)

    try:
        result = session.run(board, work_order, meter=meter, on_event=follow, resume=request.resume)
    finally:
        records.save(request.path("run.jsonl"), records.joined(before, told), inputs, **head)
    if result.capture is not None:
        capture.save(result.capture, request.path("capture.npz"), inputs)
    artifacts.write_bytes(request.path("trained.bin"), session.pull(board))
    return replace(result, events=records.joined(before, told))


def make_job(
    request: Request, graph: Graph, plan: Plan, weights: dict[str, np.ndarray], packed: data.PackedData, target: Target,
    metered: bool,
) -> job.Job:  # fmt: skip
    """The job that a request means; a run that is resumed has no metered steps."""
    settings = job.Settings(
        request.steps, request.seed, min(request.metered_steps, request.steps) if metered and not request.resume else 0,
        validate_every=request.validate_every, patience=request.patience, checkpoint_every=request.checkpoint_every,
    )  # fmt: skip
    order = job.make_job(graph, plan, weights, packed, target, settings)
    return work.with_prediction(order, models.load(request.path("model.json"))[0], graph, packed, target)


def measure(out: Path, pins: tuple[int, tuple[int, ...]] = (0, (1, 2, 3))) -> dict[str, Any]:
    """energy.json from run.jsonl and capture.npz: a pure function of both."""
    _, events = records.load(out / "run.jsonl")
    found = capture.load(out / "capture.npz")
    metered = next((entry for entry in events if entry["event"] == "metered"), None)
    if metered is None:
        raise MeterError("the run has no metered steps", hint="train with a bench that has a meter")
    durations = np.array(metered["times_us"]) * 1e-6
    aligned = align.find(found, expected=len(durations), region_pin=pins[0], phase_pins=pins[1], durations_s=durations)
    names = {code: name for name, code in plan_format.PHASES.items()} | {0: "dispatch"}
    body = energy.to_body(energy.measure(found, aligned), names)
    inputs = {name: artifacts.sha256_file(out / name) for name in ("run.jsonl", "capture.npz")}
    artifacts.write_json(out / "energy.json", energy.SCHEMA, body, inputs)
    return body
