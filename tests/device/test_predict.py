# SPDX-License-Identifier: Apache-2.0
"""`Model.predict` on the unix port gives what the reference computes from the weights that the board trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_job import BATCH, MODEL, TARGET, job
from tercet.autodiff import reference
from tercet.autodiff.training import inference_graph, training_graph
from tercet.model import Builder, initialise
from tercet.model.graph import Model
from tercet.plan import weights_file
from tercet.plan.dataset_file import PackedData
from tercet.train import predict
from unix_port import run, run_job


def place(files: dict[str, bytes], folder: Path) -> Path:
    """Writes the files of a prediction, their paths changed to the folder's."""
    for path, content in files.items():
        text = content.replace(b"/tercet/", f"{folder}/".encode()) if path.endswith(".json") else content
        (folder / Path(path).name).write_bytes(text)
    return folder / "predict.json"


def predictions(path: Path, rows: np.ndarray, folder: Path, operators: str = "mlp") -> list[dict[str, Any]]:
    """What the unix port predicts for these rows."""
    given = [list(map(int if rows.dtype == np.uint8 else float, row)) for row in rows]
    (folder / "rows.json").write_text(json.dumps(given))
    code = f"""
import json
from tercet_device import trace
from tercet_device.model import Model
model = Model({str(path)!r})
with open({str(folder / "rows.json")!r}) as stream:
    for row in json.load(stream):
        trace.emit("predicted", outputs=list(model.predict(row)), label=model.label(row))
"""
    return run(code, folder, operators=operators)


def check(told: list[dict[str, Any]], expected: np.ndarray) -> None:
    outputs = np.array([event["outputs"] for event in told])
    assert outputs.shape == expected.shape
    assert np.allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert [event["label"] for event in told] == expected.argmax(1).tolist()


@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_what_was_trained_is_what_predicts(kind: str, tmp_path: Path) -> None:
    graph, plan, work, packed = job("frugal", {"name": "momentum", "rate": 0.1})
    run_job(work, tmp_path)
    if kind == "floats":
        packed = PackedData(packed.batch(np.arange(33))[0], packed.labels, 26, 3)
    files = predict.files(*inference_graph(MODEL, 1), graph, packed, TARGET)
    told = predictions(place(files, tmp_path), packed.rows[:9], tmp_path)
    trained = weights_file.decode((tmp_path / "trained.bin").read_bytes(), graph, plan.graph_id)
    values = {name: trained[name] for name in initialise(MODEL, 1)}
    check(told, reference.predict(MODEL, values, packed.batch(np.arange(9))[0]))


def test_a_convolutional_network_with_a_softmax_gives_its_logits(tmp_path: Path) -> None:
    model = convolutional()
    graph = training_graph(model, BATCH)
    weights = initialise(model, 2)
    rows = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    packed = PackedData(rows, np.zeros(5, int), 5, 3)
    from tercet.plan import lower

    files = predict.files(*inference_graph(model, 1), graph, packed, TARGET)
    files["/tercet/weights.bin"] = weights_file.encode(graph, lower.graph_id(graph), weights)
    told = predictions(place(files, tmp_path), rows, tmp_path, "cnn")
    outputs = np.array([event["outputs"] for event in told])
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    assert np.allclose(shares, reference.predict(model, weights, rows), rtol=1e-3, atol=1e-5)


def convolutional() -> Model:
    net = Builder("c", (1, 8, 8))
    return net.conv(4, 3).relu().max_pool(2).flatten().dense(3).layer("softmax").model()


def test_a_sample_of_another_size_and_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    graph, _, work, packed = job("keep_all", {"name": "sgd"})
    run_job(work, tmp_path)
    path = place(predict.files(*inference_graph(MODEL, 1), graph, packed, TARGET), tmp_path)
    code = f"""
from tercet_device import trace
from tercet_device.errors import DeviceError
from tercet_device.model import Model
try:
    Model({str(path)!r}).predict([1, 2, 3])
except DeviceError as error:
    trace.emit("refused", kind=error.kind)
"""
    assert run(code, tmp_path)[-1]["kind"] == "data"
    path.write_text(path.read_text().replace('"graph": "', '"graph": "00')[:])
    assert run(code, tmp_path)[-1]["kind"] == "weights"
