# SPDX-License-Identifier: Apache-2.0
"""Weights that exceed RAM, tile by tile from the card, on the unix port: the same bits as in RAM, also over a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_job import TARGET
from tercet.autodiff import reference, training_graph
from tercet.autodiff.graph import Graph
from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import InfeasibleError
from tercet.model import Builder, Model, initialise, mlp
from tercet.plan import lower, weights_file
from tercet.plan.dataset_file import PackedData, batches
from tercet.solve import Problem, from_graph, replay, solve
from tercet.solve.solution import HOMES
from tercet.train.job import Job, Settings, make_job
from unix_port import last, run, run_job

BATCH, STEPS = 2, 6


def network(kind: str) -> Model:
    """Weights of 5 to 8 KB in a dense network, or one of convolutions."""
    if kind == "dense":
        return mlp("wide", [36, 41, 9, 3])
    net = Builder("conv", (1, 6, 6))
    net.conv(4, 3, padding=1).relu().conv(40, 3, stride=2).activation("tanh")
    return net.flatten().dense(3, init="glorot").model()


def problem_of(graph: Graph, ram_bytes: int | None) -> Problem:
    """The problem on a board whose costs are made up."""
    ops = {node.signature: OpCost(node.macs * 0.06 + 300, node.macs * 0.5 + 2400) for node in graph.nodes}
    table = CostTable("made-up", ops, PageCost(1000, 600, 50, 8000, 6000), PageCost(800, 420, 50, 6000, 3000), 3.0)
    return from_graph(graph, table, ram_bytes=ram_bytes)


def data() -> PackedData:
    """20 random samples of 36 bytes and three classes, five of them held out."""
    rng = np.random.default_rng(5)
    return PackedData(rng.integers(0, 256, (20, 36)).astype(np.uint8), rng.integers(0, 3, 20), 15, 3, 1 / 255, -0.5)


def train(
    graph: Graph, model: Model, ram_bytes: int | None, folder: Path, **settings: object
) -> tuple[dict[str, np.ndarray], dict[str, object], Job]:  # fmt: skip
    """Weights after the training, the last event of the board, and the job."""
    folder.mkdir()
    found = solve(problem_of(graph, ram_bytes), "exact" if ram_bytes else "keep-all", time_limit_s=20)
    plan = lower.lower(graph, found.schedule, target=TARGET.name, budget_bytes=ram_bytes or 0)
    job = make_job(graph, plan, initialise(model, 3), data(), TARGET, Settings(STEPS, metered_steps=2, **settings))
    events = run_job(job, folder, operators="all")
    assert last(events, "done")["peak_arena_bytes"] == plan.peak_bytes
    assert ram_bytes is None or plan.peak_bytes <= ram_bytes
    return weights_file.decode((folder / "trained.bin").read_bytes(), graph, plan.graph_id), last(events, "done"), job


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [("dense", {"name": "momentum", "rate": 0.1}), ("conv", {"name": "sgd", "rate": 0.2}), ("dense", {"name": "adam"})],
    ids=["dense-momentum", "conv-sgd", "dense-adam"],
)
def test_every_budget_gives_the_same_bits(kind: str, optimizer: dict[str, object], tmp_path: Path) -> None:
    model = network(kind)
    tiled = training_graph(model, BATCH, optimizer=optimizer, tile_bytes=1024)
    kept, told, _ = train(tiled, model, None, tmp_path / "kept")
    for percent in (80, 60):
        budget = int(told["peak_arena_bytes"]) * percent // 100
        weights, done, _ = train(tiled, model, budget, tmp_path / str(percent))
        assert done["bytes_in"] > done["bytes_out"] > 0
        assert all((weights[name] == kept[name]).all() for name in kept)
        assert done["digest"] == told["digest"]
    start = initialise(model, 3)
    order = [data().batch(samples) for samples in batches(15, BATCH, 1, STEPS)]
    expected, _ = reference.train(tiled, start, order)
    for name, value in expected.items():
        assert np.linalg.norm(kept[name] - value) <= 1e-4 * np.linalg.norm(value), name
        assert name not in start or not np.array_equal(value, start[name])
    if kind == "dense":
        whole, _, _ = train(training_graph(model, BATCH, optimizer=optimizer), model, None, tmp_path / "whole")
        assert all((whole[name] == kept[name]).all() for name in kept)


def test_a_checkpoint_holds_what_lives_on_the_card(tmp_path: Path) -> None:
    model = network("dense")
    graph = training_graph(model, BATCH, optimizer={"name": "momentum", "rate": 0.1}, tile_bytes=1024)
    expected, _, _ = train(graph, model, 10_000, tmp_path / "whole")
    folder = tmp_path / "parts"
    settings = {"checkpoint_every": 2, "checkpoint_file": str(folder / "checkpoint")}
    _, _, job = train(graph, model, 10_000, folder, **settings)
    slots = [(folder / f"checkpoint.{slot}").read_bytes() for slot in range(2)]
    assert all(slots)
    # the newest checkpoint is of the last step; without it the run goes on from the one before
    sequence = [int.from_bytes(slot[-512:][16:20], "little") for slot in slots]
    (folder / f"checkpoint.{sequence.index(max(sequence))}").write_bytes(b"")
    (folder / "trained.bin").unlink()
    code = f"from tercet_device import loop\nloop.main({str(folder / 'job.json')!r}, resume=True)"
    events = run(code, folder)
    assert last(events, "resumed")["step"] == STEPS - 2
    weights = weights_file.decode((folder / "trained.bin").read_bytes(), graph, lower.graph_id(graph))
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_schedules_say_what_lives_on_the_card() -> None:
    graph = training_graph(network("dense"), BATCH, optimizer={"name": "sgd"}, tile_bytes=1024)
    problem = problem_of(graph, 7000)
    found = solve(problem, "exact", time_limit_s=20)
    assert found.schedule.on_card
    assert HOMES in found.restrictions
    assert replay(problem, found.schedule).legal
    home = next(iter(found.schedule.on_card))
    without = [action for action in found.schedule.actions if (action.verb, getattr(action, "tensor", "")) != ("page_out", home)]
    assert "the only valid copy" in replay(problem, type(found.schedule)(tuple(without))).reason
    with pytest.raises(InfeasibleError, match="the smallest feasible budget found is"):
        solve(problem_of(graph, 800), "exact", time_limit_s=5)
