# SPDX-License-Identifier: Apache-2.0
"""The main job on the virtual board, through the documented command, and what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import repeated_runs
from tercet import artifacts, capture, costs, resources, targets
from tercet.autodiff import graph as graphs
from tercet.autodiff import reference
from tercet.board import bench as benches
from tercet.board import virtual
from tercet.board.base import Board
from tercet.model import graph as models
from tercet.plan import lower, weights_file
from tercet.plan.dataset_file import batches
from tercet.solve import from_graph, replay, solve
from tercet.solve import schedule as schedules
from tercet.train import data, job, session

pytestmark = [pytest.mark.board, pytest.mark.slow, pytest.mark.timeout(900)]
TARGET = targets.load("nrf52840dk")
STEPS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `tercet demo` left its artefacts."""
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "tercet.cli.main", "demo", "--json", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (out / "stdout.json").write_text(done.stdout)
    return out


@pytest.fixture(scope="module")
def summary(folder: Path) -> dict[str, Any]:
    """What `--json` printed, and nothing else stood on stdout."""
    return json.loads((folder / "stdout.json").read_text())


def test_it_learns_and_stays_below_its_budget(summary: dict[str, Any]) -> None:
    assert summary["accuracy"] >= 0.95
    assert summary["loss_last"] < 0.2 * summary["loss_first"]
    assert summary["peak_arena_bytes"] == summary["planned_peak_bytes"] <= summary["ram_budget_bytes"] == 96256


def test_the_optimum_pages_an_activation_and_recomputes_a_dense_operator(folder: Path, summary: dict[str, Any]) -> None:
    schedule = schedules.load(folder / "schedule.json")
    graph = graphs.load(folder / "graph.json")
    assert schedule.meta["status"] == "optimal"
    assert any(graph.node(name).op == "dense_forward" for name in schedule.recomputed)
    assert any(graph.tensors[name].kind == "activation" for name in schedule.paged_in)
    assert summary["paged_bytes"] > 0


def test_energy_and_time_are_as_predicted(summary: dict[str, Any]) -> None:
    assert summary["provenance"] == "modelled"
    assert summary["energy_predicted_j"] == pytest.approx(summary["energy_metered_j"], rel=0.05)
    assert summary["time_predicted_ms"] == pytest.approx(summary["time_measured_ms"], rel=0.05)
    assert summary["time_predicted_ms"] <= summary["deadline_ms"]


def test_the_plan_that_reaches_the_board_is_small(folder: Path) -> None:
    assert (folder / "plan.bin").stat().st_size <= 1024


def test_the_report_shows_its_pictures_and_its_sources(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.count("<svg") >= 5
    assert "modelled" in page
    for name in ("graph.json", "costs.json", "schedule.json", "plan.bin", "run.jsonl", "capture.npz", "energy.json"):
        assert artifacts.sha256_file(folder / name) in page


def test_the_meter_lost_nothing(folder: Path) -> None:
    assert capture.load(folder / "capture.npz").lost_samples == 0


def test_runs_repeat_to_the_cycle_under_any_load(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One hash over cycles, charge, RAM, flash and card: three runs, with --whole ten (`make repeat-test`)."""
    graph, (_, weights) = graphs.load(folder / "graph.json"), models.load(folder / "model.json")
    schedule = schedules.load(folder / "schedule.json")
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=96256)
    settings = job.Settings(STEPS, evaluate=False, checkpoint_every=STEPS // 2, at_boot=True)
    order = job.make_job(graph, plan, weights, data.load("digits"), TARGET, settings)
    place = repeated_runs.Deployed(tmp_path, resources.firmware(TARGET.name), order, TARGET)
    step_ms = json.loads((folder / "demo.json").read_text())["summary"]["time_measured_ms"]
    whole = request.config.getoption("--whole")
    digests = []
    for attempt in range(10 if whole else 3):
        with repeated_runs.host_load(attempt % 3):
            digests.append(place.run(f"run-{attempt}", 1.2 * STEPS * step_ms + 3500))
    assert all(digest == digests[0] for digest in digests)
    paged_blocks = sum(graph.tensors[name].nbytes for name in schedule.paged_out) // 512
    assert digests[0]["card_blocks_written"] >= STEPS * paged_blocks > 0
    files, trained = place.result("run-0")
    assert "main.py" not in files, "the job was not done by then"
    learnt = weights_file.decode(trained, graph, plan.graph_id)
    assert all(np.isfinite(learnt[name]).all() and (learnt[name] != weights[name]).any() for name in learnt)
    if whole:
        print(f"{len(digests)} runs of {STEPS} steps, one digest: {json.dumps(digests[0])}")


def train(folder: Path, schedule: schedules.Schedule, budget: int, board: Board) -> dict[str, np.ndarray]:
    """Weights after twenty steps on the board by a schedule."""
    graph = graphs.load(folder / "graph.json")
    _, weights = models.load(folder / "model.json")
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=budget)
    assert plan.peak_bytes <= budget
    order = job.make_job(graph, plan, weights, data.load("digits"), TARGET, job.Settings(20, evaluate=False))
    session.deploy(board, order, TARGET)
    done = session.run(board, order).last("done")
    assert done["peak_arena_bytes"] == plan.peak_bytes
    return weights_file.decode(session.pull(board), graph, plan.graph_id)


def test_weights_do_not_depend_on_the_schedule(folder: Path, tmp_path: Path) -> None:
    graph = graphs.load(folder / "graph.json")
    problem = from_graph(graph, costs.load(folder / "costs.json"))
    keep_all = solve(problem, "keep-all").schedule
    assert replay(problem, keep_all).peak_bytes > 130_000
    start = {"image": resources.firmware(TARGET.name), "sd": tmp_path / "card.img", "state": tmp_path / "board", "pace": "max"}
    with virtual.temporary(**start) as running, Board(benches.of_running(running).serial) as board:
        solved = train(folder, schedules.load(folder / "schedule.json"), 96256, board)
        kept = train(folder, keep_all, 160_000, board)
    assert all((solved[name] == kept[name]).all() for name in solved)
    packed = data.load("digits")
    _, weights = models.load(folder / "model.json")
    order = [packed.batch(samples) for samples in batches(packed.training, graph.batch, 1, 20)]
    expected, _ = reference.train(graph, weights, order)
    for name, value in solved.items():
        assert np.linalg.norm(value - expected[name]) <= 1e-4 * np.linalg.norm(expected[name]), name
