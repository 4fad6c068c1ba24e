# SPDX-License-Identifier: Apache-2.0
"""Profiles on MicroPython's unix port (times only), and what becomes of raw figures."""

from itertools import pairwise

import numpy as np
import pytest
from tercet import costs
from tercet.autodiff.training import training_graph
from tercet.board.base import Board, ProgramError
from tercet.errors import BoardError
from tercet.kernel_table import KERNELS
from tercet.measure.energy import Baseline, Measurement
from tercet.model.builder import mlp
from tercet.plan import dataset_file
from tercet.profile import bench, cases, stalls, table
from tercet.profile.bench import Bench, Effort, Raw
from tercet.targets import load as load_target

from ..board.console import ROOT, UNIX_PORT, Console


@pytest.fixture
def graph():
    return training_graph(mlp("tiny", [8, 6, 4]), 5, "softmax_cross_entropy", {"name": "sgd"})


def test_every_signature_has_one_case_with_room_for_its_operands(graph):
    found = cases.of_graph(graph)
    assert {case.name for case in found} == {node.signature for node in graph.nodes}
    assert len(found) == len({case.name for case in found})
    forward = next(case for case in found if case.name.startswith("dense_forward:5,8,6"))
    y, x, w, b = forward.offsets
    sizes = {y: 5 * 6 * 4, x: 5 * 8 * 4, w: 6 * 8 * 4, b: 6 * 4}
    spans = sorted((first, first + size) for first, size in sizes.items())
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert spans[-1][1] <= forward.arena_bytes


def test_labels_are_marked_as_integers(graph):
    loss = next(case for case in cases.of_graph(graph) if case.name.startswith("softmax"))
    assert loss.integers == ((loss.offsets[2], 10),)


def test_what_is_only_read_shares_memory_in_a_large_case():
    graph = training_graph(mlp("wide", [1024, 40, 4]), 1, "softmax_cross_entropy", {"name": "sgd"})
    node = next(node for node in graph.nodes if node.op == "dense_forward" and node.dims[1] == 1024)
    y, x, w, b = next(case for case in cases.of_graph(graph) if case.name == node.signature).offsets
    assert x == w == b == 0 and y == 1024 * 40 * 4
    update = next(case for case in cases.of_graph(graph) if case.name.startswith("dense_update_sgd:1,1024,40"))
    at = dict(zip(KERNELS["dense_update_sgd"].tensors, update.offsets, strict=True))
    assert at["x"] == at["dz"] == 0 and 0 < at["w"] < at["b"]


class FullBoard:
    """A board whose heap is full."""

    def run(self, code, silence_s):
        raise ProgramError("on the board: MemoryError", "MemoryError", "")
        yield

    def soft_reset(self):
        pass


def test_a_case_that_the_board_does_not_hold_is_named(monkeypatch):
    monkeypatch.setattr(bench.sync, "sync", lambda board, files: [])
    largest = cases.Case("add_forward:9,0,1", 1, 1, 0, (0,), (), 4096)
    with pytest.raises(BoardError, match=r"add_forward:9,0,1 needs 4096 bytes"):
        Bench(FullBoard(), load_target("nrf52840dk")).run([cases.empty(), largest], Effort())


def synthetic_raw(rounds=6, *, noise=0.0):
    """Figures of known costs: 100 us and 50 uJ to start a step, 7 us and 3 uJ each run, pages 200 + 50 n us."""
    made = [cases.empty(), *cases.pages((1, 4, 16))]
    op = cases.Case("add:1,0", 1, 1, 0, (), (), 16)
    made.append(op)
    repeats = np.array([1] + [3] * 6 + [40])
    rng = np.random.default_rng(3)
    each_us = np.array([0.0, 250, 100, 400, 160, 1000, 400, 7])
    time = (100 + repeats * each_us) * (1 + noise * rng.standard_normal((rounds, 8)))
    net = (50 + repeats * each_us * 3 / 7) * 1e-6 * (1 + noise * rng.standard_normal((rounds, 8)))
    measurement = Measurement((), Baseline(1e-3, 0, 10, 0), 3.0, "modelled", ())
    return Raw(tuple(made), repeats, time, net, measurement, None)


def test_the_empty_step_is_subtracted_and_the_repeats_divided():
    made = table.cost_table(synthetic_raw(), board="b", firmware="f", meter="m", volts=3.0, provenance="modelled")
    assert made.ops["add:1,0"].time_us == pytest.approx(7)
    assert made.ops["add:1,0"].energy_nj == pytest.approx(3000)
    assert made.page_out.fixed_us == pytest.approx(200) and made.page_out.per_block_us == pytest.approx(50)
    assert made.page_in.fixed_us == pytest.approx(80) and made.page_in.per_block_us == pytest.approx(20)
    assert made.baseline_mw == pytest.approx(3.0)
    assert table.step_cost(synthetic_raw(), "modelled").time_us == pytest.approx(100)


def test_noise_shows_in_the_interval_and_an_outlier_does_not_move_the_mean():
    raw = synthetic_raw(12, noise=1e-3)
    raw.time_us[3, -1] *= 5
    cost = table.cost_table(raw, board="b", firmware="f", meter="m", volts=3.0, provenance="modelled").ops["add:1,0"]
    assert cost.time_us == pytest.approx(7, rel=0.01) and 0 < cost.time_ci_us < 0.05


def transfers(stalled):
    """40 rounds of 16 page-outs of 16 blocks, 9 ms and 100 uJ each; each number in `stalled` makes one so many us longer."""
    rng = np.random.default_rng(2)
    time = 9000 + rng.normal(0, 3, (40, 16))
    net = 1e-4 + np.zeros((40, 16))
    for at, extra in enumerate(stalled):
        time[at, at % 16] += extra
        net[at, at % 16] += extra * 30e-9
    measurement = Measurement((), Baseline(1e-3, 0, 10, 0), 3.0, "modelled", ())
    return Raw(tuple(cases.pages((16,))[:1] * 16), np.ones(16, int), time, net, measurement, None)


def test_stalls_are_counted_with_their_time_energy_and_confidence():
    extra = [5000.0, 20_000.0, 11_000.0, 8000.0]
    found = stalls.of_transfers(transfers(extra), list(range(16)), costs.PageCost(100, 550, 50, 1000, 6000))
    blocks = 40 * 16 * 16
    assert found.stall_chance == 4 / blocks and found.stall_us == pytest.approx(11_000, rel=0.01)
    assert found.stall_nj == pytest.approx(11_000 * 30, rel=0.01)
    assert found.stall_ci_us == pytest.approx(1.96 * np.hypot.reduce(extra) / blocks, rel=0.01)
    assert found.bus_us(5120) == pytest.approx(100 + 10 * (550 + 44_000 / blocks), rel=0.01)
    assert found.unstalled().bus_us(5120) == 100 + 10 * 550


def test_a_card_without_stalls_says_how_sure_that_is():
    found = stalls.of_transfers(transfers([]), list(range(16)), costs.PageCost(100, 550))
    assert found.stall_chance == 0 and found.bus_us(512) == 650
    assert found.stall_ci_us == pytest.approx(3 * 250_000 / (40 * 16 * 16))


@pytest.fixture
def console(tmp_path):
    if not UNIX_PORT.exists() or not (ROOT / "build/firmware/natmod/x64/mlp").exists():
        pytest.skip("MicroPython's unix port or its kernels are not built: make firmware kernels")
    console = Console(tmp_path)
    yield console
    console.close()


def test_a_profile_runs_on_micropython(console, graph, monkeypatch):
    monkeypatch.setattr(bench, "FOLDER", "profile")
    rows = np.arange(80, dtype=np.uint8).reshape(10, 8)
    data = dataset_file.encode(dataset_file.PackedData(rows, np.arange(10) % 4, 8, 4))
    target = load_target("nrf52840dk")
    target.markers.clear()
    with Board(console.port) as board:
        modules = ROOT / "build/firmware/natmod/x64"
        paths = [str(ROOT / "device_lib"), str(modules / "mlp"), str(modules / "cipher"), ".frozen"]
        board.exec(f"import sys\nsys.path[:] = {paths!r}")
        made = Bench(board, target, data=data, store={"kind": "file", "path": "pages"})
        raw = made.run([cases.empty(), *cases.of_graph(graph), *cases.pages()], Effort(300, 8, 3))
    assert raw.time_us.shape == (3, len(raw.cases)) and raw.time_us.min() >= 0
    made = table.cost_table(raw, board="b", firmware="f", meter="", volts=3.3, provenance="measured")
    made.require(node.signature for node in graph.nodes)
