# SPDX-License-Identifier: Apache-2.0
"""Weight tiles: they cover a layer, compute what the undivided network does, and survive their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tercet.autodiff import graph as graphs
from tercet.autodiff import reference, training_graph
from tercet.autodiff.tiles import ranges
from tercet.model import Builder, Model, initialise, mlp


def small(kind: str) -> Model:
    if kind == "dense":
        return mlp("dense", [20, 17, 9, 5])
    net = Builder("conv", (2, 7, 7))
    net.conv(6, 3, padding=1).relu().conv(10, 3, stride=2).activation("tanh")
    return net.flatten().dense(5).model()


@pytest.mark.parametrize("optimizer", [{"name": "sgd", "decay": 0.01}, {"name": "momentum"}, {"name": "adamw", "clip_norm": 0.1}])
@pytest.mark.parametrize(("kind", "micro_batches"), [("dense", 1), ("dense", 2), ("conv", 1)])
def test_the_weights_are_those_of_the_undivided_network(kind: str, micro_batches: int, optimizer: dict[str, object]) -> None:
    model, start = small(kind), initialise(small(kind), 1)
    settings = {"optimizer": optimizer, "micro_batches": micro_batches}
    tiled = training_graph(model, 4, tile_bytes=300, **settings)
    assert max(tensor.nbytes for tensor in tiled.persistent) <= 360 < max(value.nbytes for value in start.values())
    rng = np.random.default_rng(0)
    data = [(rng.standard_normal((4, *model.input_shape)).astype(np.float32), rng.integers(0, 5, 4)) for _ in range(3)]
    found, losses = reference.train(tiled, start, data)
    expected, told = reference.train(training_graph(model, 4, **settings), start, data)
    assert losses == pytest.approx(told, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("outputs", [1, 3, 4, 10, 128, 131])
@pytest.mark.parametrize("tile_bytes", [1, 100, 1200, 10_000])
def test_tiles_cover_every_output_once_and_are_small(outputs: int, tile_bytes: int) -> None:
    parts = ranges(outputs, 100, tile_bytes)
    assert [first for first, _ in parts] == list(np.cumsum([0, *(count for _, count in parts)])[:-1])
    assert sum(count for _, count in parts) == outputs
    assert all(count * 100 <= max(tile_bytes, 100) for _, count in parts)
    assert all(first % 4 == 0 for first, _ in parts) or tile_bytes < 500


def test_a_graph_in_tiles_survives_its_file(tmp_path: Path) -> None:
    graph = training_graph(small("dense"), 2, tile_bytes=400)
    loaded = graphs.load(graphs.save(graph, tmp_path / "graph.json"))
    assert loaded.tensors == graph.tensors
    assert {tensor.whole for tensor in loaded.persistent} >= {"dense1.w", "dense1.b", ""}
