# SPDX-License-Identifier: Apache-2.0
"""Twenty steps of whole networks on the device's kernels equal the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.graph import Graph
from tercet.autodiff.optimizers import hyper
from tercet.autodiff.reference import Reference
from tercet.model import initialise, zoo

TYPES = {"f32": np.float32, "u8": np.uint8, "u16": np.uint16, "i32": np.int32}
STEPS, BATCH = 20, 4


def run_step(kernels, graph: Graph, buffers: dict[str, np.ndarray], x: np.ndarray, labels: np.ndarray, settings: dict) -> None:
    """One step in the order of the graph, every tensor in a buffer of its own unless it takes one over."""
    for node in graph.nodes:
        taken = dict(node.inplace)
        for name in node.outputs:
            tensor = graph.tensors[name]
            source = buffers[taken[name]] if name in taken else np.full(tensor.shape, 7, TYPES[tensor.dtype])
            buffers[name] = source.reshape(tensor.shape)
        if node.op.startswith("read_"):
            buffers[node.outputs[0]][...] = (x if node.op == "read_input" else labels).reshape(buffers[node.outputs[0]].shape)
            continue
        kernels.run(node.op, node.dims, settings, **{operand: buffers[name] for operand, name in node.operands.items()})


@pytest.mark.parametrize(
    ("network", "optimizer"),
    [
        ("demo", {"name": "sgd", "rate": 0.1}),
        ("demo", {"name": "momentum", "rate": 0.05, "momentum": 0.9}),
        ("lenet-28", {"name": "sgd", "rate": 0.05}),
        ("lenet-28", {"name": "adam", "rate": 0.001}),
    ],
)
def test_twenty_steps_equal_the_reference(kernels, network, optimizer):
    model = zoo.build(network)
    weights = initialise(model, 3)
    graph = training_graph(model, BATCH, optimizer=optimizer)
    reference = Reference(graph, weights)
    buffers = {t.name: np.zeros(t.shape, TYPES[t.dtype]) for t in graph.persistent}
    buffers |= {name: array.astype(np.float32).copy() for name, array in weights.items()}
    random = np.random.default_rng(5)
    shape = next(graph.tensors[n.outputs[0]].shape for n in graph.nodes if n.op == "read_input")
    for step in range(STEPS):
        x = random.random(shape, np.float32)
        labels = random.integers(0, 10, BATCH).astype(np.uint16)
        settings = hyper(graph.optimizer, step)
        run_step(kernels, graph, buffers, x, labels, settings)
        reference.step(x, labels, hyper=settings)
    for name, expected in reference.weights.items():
        error = np.linalg.norm(buffers[name] - expected) / max(np.linalg.norm(expected), 1e-6)
        assert error < 1e-4, f"{name}: {error}"
