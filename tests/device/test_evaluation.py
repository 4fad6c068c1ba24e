# SPDX-License-Identifier: Apache-2.0
"""What a board evaluates is inference: running statistics and no dropout, and training goes on as if nobody had looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_job import TARGET
from tercet import plan_format
from tercet.autodiff import reference, training_graph
from tercet.model import Builder, initialise
from tercet.plan import keep, lower
from tercet.plan.dataset_file import PackedData, batches
from tercet.train import job
from unix_port import last, run_job

BATCH, STEPS = 5, 8


def network():
    """Two batch normalisations, and two dropouts of which one shares its input with a skip, so that it is not in place."""
    net = Builder("normalised", (2, 6, 6))
    net.conv(4, 3, padding=1).batch_norm().relu()
    skip = net.at
    net.dropout(0.5).conv(4, 3, padding=1).batch_norm().add(skip).relu()
    return net.global_average_pool().dropout(0.3).dense(3).model()


def samples() -> PackedData:
    """33 images of three classes, seven of them held out."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 33)
    rows = rng.integers(0, 100, (33, 72)) + 70 * labels[:, None]
    return PackedData(rows.astype(np.uint8), labels, 26, 3, 1 / 255, -0.5)


def test_the_board_evaluates_as_the_reference_predicts(tmp_path: Path) -> None:
    model, packed = network(), samples()
    graph = training_graph(model, BATCH, optimizer={"name": "sgd", "rate": 0.1})
    plan = lower.lower(graph, keep.keep_all(graph), target=TARGET.name, budget_bytes=65536)
    weights, runs = initialise(model, 1), []
    for every in (0, 3):
        order = job.make_job(graph, plan, weights, packed, TARGET, job.Settings(STEPS, validate_every=every))
        runs.append(run_job(order, tmp_path, operators="all"))
    told, looked = (last(events, "done") for events in runs)
    assert told["digest"] == looked["digest"]
    assert sum(event["event"] == "validated" for event in runs[1]) == 2
    trained, _ = reference.train(graph, weights, [packed.batch(chosen) for chosen in batches(26, BATCH, 1, STEPS)])
    x, labels = packed.batch(np.arange(26, 33))
    logits = reference.predict(model, trained, x.reshape(-1, 2, 6, 6))
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(7), labels])
    told = last(runs[0], "evaluated")
    assert told["loss"] == pytest.approx(loss, rel=1e-4)
    assert told["accuracy"] == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-6)


def test_what_evaluates_alone_stands_before_the_end_of_the_loss() -> None:
    graph = training_graph(network(), BATCH)
    plan = lower.lower(graph, keep.keep_all(graph), target=TARGET.name, budget_bytes=65536)
    alone = [i for i, record in enumerate(plan.records) if record.phase & plan_format.EVALUATION_ONLY]
    in_place = sum(node.op == "dropout" and node.phase == "forward" and bool(node.inplace) for node in graph.nodes)
    assert len(alone) == 2 * 2 + 2 - in_place
    assert max(alone) < plan.loss_end
    assert all(r.phase & plan_format.TRAINING_ONLY for r in plan.records if r.phase & 7 in (4, 5))
