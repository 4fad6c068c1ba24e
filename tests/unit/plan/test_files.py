# SPDX-License-Identifier: Apache-2.0
"""The packed data set, the order of samples and the weights file."""

from __future__ import annotations

import importlib.util
import zlib

import numpy as np
import pytest
from tercet import resources
from tercet.autodiff.training import training_graph
from tercet.errors import ArtifactError, InputError
from tercet.model import graph as models
from tercet.model.builder import mlp
from tercet.plan import dataset_file, weights_file
from tercet.plan.dataset_file import PackedData, batches, encode, shuffled


def packed(**changes: object) -> PackedData:
    fields = {
        "rows": np.arange(12, dtype=np.uint8).reshape(4, 3), "labels": np.array([0, 1, 2, 1]), "training": 3, "classes": 3,
        "scale": 0.5,
    }  # fmt: skip
    return PackedData(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_packed_file_holds_header_rows_and_labels() -> None:
    raw = encode(packed())
    assert raw[:4] == b"TDS2"
    assert len(raw) == dataset_file.HEADER.size + 4 * (3 + 4) + 4 * (2 + 4)
    samples = [raw[at : at + 7] for at in range(dataset_file.HEADER.size, len(raw) - 24, 7)]
    labels = [raw[at : at + 6] for at in range(len(raw) - 24, len(raw), 6)]
    assert b"".join(sample[:3] for sample in samples) == bytes(range(12))
    assert b"".join(label[:2] for label in labels) == np.array([0, 1, 2, 1], np.uint16).tobytes()
    assert all(int.from_bytes(item[-4:], "little") == zlib.crc32(item[:-4]) for item in samples + labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 1, 3, 1])}, "sample 2 has label 3"),
        ({"labels": np.array([0, 1])}, "do not belong together"),
        ({"rows": np.full((4, 3), np.nan, np.float32)}, "NaN"),
        ({"rows": np.zeros((4, 3), np.int64)}, "int64"),
        ({"training": 5}, "do not belong together"),
    ],
)
def test_data_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        encode(packed(**changes))


def test_a_batch_is_scaled_as_the_board_scales_it() -> None:
    inputs, labels = packed().batch(np.array([2, 0]))
    assert inputs.dtype == np.float32
    assert inputs.tolist() == [[3.0, 3.5, 4.0], [0.0, 0.5, 1.0]]
    assert labels.tolist() == [2, 0]


def test_shuffling_permutes_and_repeats_for_a_seed() -> None:
    order, state = shuffled(50, 7)
    assert sorted(order) == list(range(50))
    assert order.tolist() != list(range(50))
    again, other = shuffled(50, 7)
    assert (order == again).all() and state == other < 2**30


@pytest.mark.parametrize("count", [1, 2, 5, 24, 1437, 4000, 65535])
def test_the_board_computes_the_same_order_index_by_index(count: int) -> None:
    path = resources.device_library() / "order.py"
    spec = importlib.util.spec_from_file_location("order", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    board = module.Order(count)
    order, state = shuffled(count, 3)
    assert board.shuffle(3) == state
    assert [board[i] for i in range(count)] == order.tolist()
    assert sorted(order.tolist()) == list(range(count))


def test_every_sample_comes_at_every_place_as_often() -> None:
    count, epochs, seed = 30, 6000, 1
    places = np.zeros((count, count))
    for _ in range(epochs):
        order, seed = shuffled(count, seed)
        places[np.arange(count), order] += 1
    expected = epochs / count
    # chi-squared with 29 * 29 degrees of freedom: 1 +- 0.05 for a fair order
    assert 0.85 < ((places - expected) ** 2 / expected).sum() / (count - 1) ** 2 < 1.15


def test_an_epoch_visits_each_sample_at_most_once() -> None:
    epoch = np.concatenate(batches(50, 16, 1, 3))
    assert len(set(epoch.tolist())) == 48


def test_weights_survive_the_way_to_the_board_and_back() -> None:
    model = mlp("m", [3, 5, 2])
    graph = training_graph(model, 4, optimizer={"name": "momentum"})
    weights = models.initialise(model, 1)
    raw = weights_file.encode(graph, b"12345678", weights)
    back = weights_file.decode(raw, graph, b"12345678")
    for name, value in weights.items():
        assert (back[name] == value).all()
    assert all((back[t.name] == 0).all() for t in graph.persistent if t.kind == "state")
    with pytest.raises(ArtifactError, match="another model"):
        weights_file.decode(raw, graph, b"87654321")
    damaged = raw[:20] + bytes([raw[20] ^ 1]) + raw[21:]
    for bad in (damaged, raw[:-1]):
        with pytest.raises(ArtifactError, match="damaged"):
            weights_file.decode(bad, graph, b"12345678")


def test_weights_that_are_missing_or_not_finite_are_refused() -> None:
    model = mlp("m", [3, 2])
    graph = training_graph(model, 4)
    weights = models.initialise(model, 1)
    name = next(iter(weights))
    with pytest.raises(InputError, match="NaN"):
        weights_file.encode(graph, bytes(8), {**weights, name: weights[name] * np.nan})
    del weights[name]
    with pytest.raises(InputError, match=f"{name} is missing"):
        weights_file.encode(graph, bytes(8), weights)
