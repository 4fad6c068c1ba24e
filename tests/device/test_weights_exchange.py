# SPDX-License-Identifier: Apache-2.0
"""`tercet pull` and `push`, prediction on the board between them, and federated rounds over three boards."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_job
from small_job import MODEL, TARGET, job
from tercet import resources
from tercet.autodiff import graph as graphs
from tercet.autodiff import reference, training_graph
from tercet.board import virtual
from tercet.board.base import Board
from tercet.cli import main as entry
from tercet.cli import weights as verbs
from tercet.cli import work
from tercet.errors import InputError
from tercet.model import graph as models
from tercet.model import initialise, mlp
from tercet.plan import lower, weights_file
from tercet.solve.schedule import Schedule
from tercet.train import card, federated, session
from tercet.train.job import Settings, make_job

ROOT = Path(__file__).parents[2]
PREDICT = """
import sys
sys.path.append('/lib')
from tercet_device.model import Model
model = Model()
print([list(model.predict(row)) for row in {rows!r}])
"""


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(name of a board that has trained, folder with graph and model)"""
    graph, _, order, packed = job("keep_all", {"name": "momentum", "rate": 0.1})
    graphs.save(graph, tmp_path / "graph.json")
    models.save(MODEL, initialise(MODEL, 1), tmp_path / "model.json")
    name = f"exchange-{os.getpid()}"
    with virtual.temporary(name=name, image=resources.firmware(TARGET.name), state=tmp_path / "board", pace="max") as running:
        with Board(running.serial) as board:
            session.deploy(board, work.with_prediction(order, MODEL, graph, packed, TARGET), TARGET)
            session.run(board, order)
        yield name, tmp_path


def tercet(*words: str | Path) -> None:
    with pytest.raises(SystemExit) as ended:
        entry.main([str(word) for word in words])
    assert ended.value.code == 0


def predicted(name: str, rows: np.ndarray) -> np.ndarray:
    """What the board itself predicts."""
    running = virtual.find(name)
    assert running
    with Board(running.serial) as board:
        return outputs(board, rows)


def outputs(board: Board, rows: np.ndarray) -> np.ndarray:
    """What a connected board predicts."""
    board.soft_reset()
    return np.array(ast.literal_eval(board.exec(PREDICT.format(rows=[bytes(row) for row in rows]))))


@pytest.mark.board
def test_weights_come_back_predict_and_are_sent(trained: tuple[str, Path]) -> None:
    name, folder = trained
    packed = job("keep_all", {"name": "momentum"})[3]
    rows, inputs = packed.rows[:4], packed.batch(np.arange(4))[0]
    tercet("pull", folder, "--board", name, "-o", folder / "trained.json")
    _, mine = models.load(folder / "trained.json")
    start = initialise(MODEL, 1)
    assert any((mine[key] != start[key]).any() for key in start)
    assert np.allclose(predicted(name, rows), reference.predict(MODEL, mine, inputs), rtol=1e-4, atol=1e-5)
    tercet("pull", folder, "--board", name, "--delta", "-o", folder / "delta.npz")
    with np.load(folder / "delta.npz") as change:
        assert {key: (value == mine[key] - start[key]).all() for key, value in change.items()} == dict.fromkeys(start, True)
    models.save(MODEL, initialise(MODEL, 9), folder / "other.json")
    tercet("push", folder, folder / "other.json", "--board", name)
    assert np.allclose(predicted(name, rows), reference.predict(MODEL, initialise(MODEL, 9), inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.board
def test_weights_too_large_for_flash_come_back_from_the_card(tmp_path: Path) -> None:
    wide, packed = mlp("wide", [6, 2600, 3]), small_job.data()
    graph = training_graph(wide, 1, optimizer={"name": "sgd", "rate": 0.1})
    plan = lower.lower(graph, Schedule(tuple(small_job.keep_all(graph))), target=TARGET.name, budget_bytes=0)
    order = make_job(graph, plan, initialise(wide, 1), packed, TARGET, Settings(2, evaluate=False))
    order = work.with_prediction(order, wide, graph, packed, TARGET)
    assert set(map(len, order.card_files.values())) == {len(weights_file.encode(graph, plan.graph_id, initialise(wide, 1)))}
    rows, image = packed.rows[:2], resources.firmware(TARGET.name)
    with (
        virtual.temporary(image=image, state=tmp_path / "board", sd=tmp_path / "card.img", pace="max") as running,
        Board(running.serial) as board,
    ):
        # over the console, as with a real card
        card.place_job(board, TARGET, order)
        session.deploy(board, order, TARGET)
        with pytest.raises(InputError, match="the card does not hold these weights"):
            session.pull(board)
        assert np.allclose(outputs(board, rows), forward(wide, initialise(wide, 1)), rtol=1e-4, atol=1e-5)
        session.run(board, order)
        mine = weights_file.decode(session.pull(board), graph, plan.graph_id)
        assert any((mine[key] != value).any() for key, value in initialise(wide, 1).items())
        assert np.allclose(outputs(board, rows), forward(wide, mine), rtol=1e-4, atol=1e-5)
        # other weights, over the console too, are predicted with, pulled, and trained from
        other = initialise(wide, 9)
        raw = weights_file.encode(graph, plan.graph_id, other)
        card.push(board, TARGET, raw)
        assert np.allclose(outputs(board, rows), forward(wide, other), rtol=1e-4, atol=1e-5)
        assert session.pull(board) == raw
        after = session.run(board, order).last("done")["digest"]
        afresh = make_job(graph, plan, other, packed, TARGET, Settings(2, evaluate=False))
        card.place_job(board, TARGET, afresh, str(tmp_path / "card.img"))
        session.deploy(board, afresh, TARGET)
        assert session.run(board, afresh).last("done")["digest"] == after
        with pytest.raises(InputError, match="does not start from 8 bytes of weights on the card"):
            card.push(board, TARGET, bytes(8))


@pytest.mark.board
def test_large_weights_are_pushed_by_one_command(tmp_path: Path) -> None:
    wide, packed, name = mlp("wide", [6, 2600, 3]), small_job.data(), f"large-{os.getpid()}"
    graph = training_graph(wide, 1, optimizer={"name": "sgd", "rate": 0.1})
    plan = lower.lower(graph, Schedule(tuple(small_job.keep_all(graph))), target=TARGET.name, budget_bytes=0)
    order = make_job(graph, plan, initialise(wide, 1), packed, TARGET, Settings(2, evaluate=False))
    graphs.save(graph, tmp_path / "graph.json")
    models.save(wide, initialise(wide, 9), tmp_path / "other.json")
    options = {"image": resources.firmware(TARGET.name), "state": tmp_path / "board", "sd": tmp_path / "card.img", "pace": "max"}
    with virtual.temporary(name=name, **options) as running:
        with Board(running.serial) as board:
            order = work.with_prediction(order, wide, graph, packed, TARGET)
            card.place_job(board, TARGET, order, running.sd or "")
            session.deploy(board, order, TARGET)
        tercet("push", tmp_path, tmp_path / "other.json", "--board", name)
        assert np.allclose(predicted(name, packed.rows[:2]), forward(wide, initialise(wide, 9)), rtol=1e-4, atol=1e-5)


def forward(model: models.Model, weights: dict[str, np.ndarray]) -> np.ndarray:
    """What the reference predicts for the first two samples."""
    return reference.predict(model, weights, small_job.data().batch(np.arange(2))[0])


def test_trained_weights_go_into_the_onnx_file_of_the_model(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the onnx package is absent: pip install 'tercet[onnx]'")
    helper, rng = onnx.helper, np.random.default_rng(2)
    constants = {"w": rng.normal(size=(3, 6)).astype(np.float32), "b": rng.normal(size=3).astype(np.float32)}
    proto = helper.make_model(
        helper.make_graph(
            [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)], "net",
            [helper.make_tensor_value_info("x", 1, ("N", 6))], [helper.make_tensor_value_info("y", 1, ("N", 3))],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
        ), opset_imports=[helper.make_opsetid("", 17)], ir_version=9,
    )  # fmt: skip
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    model, weights = work.read_model(str(tmp_path / "net.onnx"))
    graph = training_graph(model, 4)
    graphs.save(graph, tmp_path / "graph.json")
    models.save(model, weights, tmp_path / "model.json")
    changed = {name: value + 1 for name, value in weights.items()}
    raw = weights_file.encode(graph, lower.graph_id(graph), changed)
    verbs.save(tmp_path, raw, tmp_path / "trained.onnx", tmp_path / "net.onnx", False)
    back = onnx.load(str(tmp_path / "trained.onnx"))
    found = {item.name: onnx.numpy_helper.to_array(item) for item in back.graph.initializer}
    assert {name: (found[name] == value + 1).all() for name, value in constants.items()} == {"w": True, "b": True}


def test_an_average_is_weighted_by_samples() -> None:
    start = {"w": np.array([1.0, 2.0], np.float32)}
    deltas = [{"w": np.array([4.0, 0.0], np.float32)}, {"w": np.array([0.0, 8.0], np.float32)}]
    assert federated.averaged(start, deltas, [30, 10])["w"].tolist() == [4.0, 4.0]
    assert federated.delta(start, federated.averaged(start, deltas, [1, 1]))["w"].tolist() == [2.0, 4.0]
    with pytest.raises(InputError, match="another model"):
        federated.averaged(start, [{"v": start["w"]}], [1])
    with pytest.raises(InputError, match="sample counts"):
        federated.averaged(start, deltas, [1])


@pytest.mark.board
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_boards_learn_together_what_none_of_them_has_seen() -> None:
    command = [sys.executable, str(ROOT / "hil" / "federated"), "--rounds", "3", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    assert [row["accuracy"] for row in rows] == sorted(row["accuracy"] for row in rows)
    # four digits of ten is the most that a board knows by itself
    assert max(rows[0]["alone"]) < 0.4
    assert rows[-1]["accuracy"] > 0.5 > max(rows[-1]["alone"])
