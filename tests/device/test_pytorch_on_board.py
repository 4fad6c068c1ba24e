# SPDX-License-Identifier: Apache-2.0
"""A PyTorch user's path: a CNN exported to ONNX, imported, trained on the virtual board, its losses PyTorch's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tercet import targets
from tercet.autodiff import training_graph
from tercet.board.base import Board
from tercet.cli import guards, work
from tercet.plan import lower
from tercet.plan.dataset_file import PackedData, batches
from tercet.solve.schedule import Schedule
from tercet.train import job, session

from small_job import keep_all  # isort: skip

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
TARGET = targets.load("nrf52840dk")
BATCH, STEPS, SEED, RATE = 4, 10, 5, 0.2


def network() -> Any:
    """A small convolutional network with weights of a fixed seed."""
    torch.manual_seed(SEED)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(54, 3)
    )


def data() -> PackedData:
    """40 images of 8x8 bytes: the class is the row of blocks that is bright; two in ten are held out."""
    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, 3, 40)
    images = rng.integers(0, 90, (40, 8, 8))
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 1 : 2 * label + 3] += 120
    return PackedData(images.reshape(40, 64).astype(np.uint8), labels, 32, 3, 1 / 128, -0.5)


def torch_losses(model: Any, packed: PackedData) -> list[float]:
    """The loss of each of the ten steps of plain SGD in PyTorch, on the board's own batches."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    losses = []
    for samples in batches(packed.training, BATCH, SEED, STEPS):
        rows, labels = packed.batch(samples)
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(rows.reshape(-1, 1, 8, 8))), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_ten_losses_are_pytorchs(virtual_board: Any, tmp_path: Path) -> None:
    model, packed = network(), data()
    exported = tmp_path / "mine.onnx"
    example = torch.zeros(BATCH, 1, 8, 8)
    torch.onnx.export(model, (example,), str(exported), dynamo=False)
    imported, weights = work.read_model(str(exported))
    graph = training_graph(imported, BATCH, optimizer={"name": "sgd", "rate": RATE})
    guards.check(graph, packed)
    plan = lower.lower(graph, Schedule(tuple(keep_all(graph))), target=TARGET.name, budget_bytes=32768)
    order = job.make_job(graph, plan, weights, packed, TARGET, job.Settings(STEPS, SEED, report_every=1))
    with Board(virtual_board.serial) as board:
        session.deploy(board, order, TARGET, work.operator_set(graph))
        told = [entry["loss"] for entry in session.run(board, order).all("step")]
    expected = torch_losses(model, packed)
    assert len(told) == STEPS
    assert np.abs(np.array(told) - expected).max() < 1e-3
    assert expected[-1] < expected[0] - 0.1, "ten steps that learn nothing compare nothing"
