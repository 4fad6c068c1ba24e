# SPDX-License-Identifier: Apache-2.0
"""A small job that pages in each step, reads its data from the card, and keeps checkpoints of weights and momentum there."""

from __future__ import annotations

import json

import numpy as np
from tercet import targets
from tercet.autodiff import training_graph
from tercet.autodiff.graph import Graph
from tercet.model import initialise, mlp
from tercet.plan import lower
from tercet.plan.dataset_file import PackedData
from tercet.plan.keep import keep_all
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Schedule, Update
from tercet.train.job import DATA_BLOCK, Job, Settings, card_crc, make_job

TARGET = targets.load("nrf52840dk")
STEPS, CHECKPOINT_EVERY = 160, 4
_MODEL = mlp("faults", [12, 32, 24, 4])
_BATCH = 8


def make() -> Job:
    """The job: 8 samples a step, an activation of 2 blocks on the card meanwhile, checkpoints of some 20 blocks."""
    graph = training_graph(_MODEL, _BATCH, optimizer={"name": "momentum", "rate": 0.05})
    plan = lower.lower(graph, Schedule(tuple(_actions(graph))), target=TARGET.name, budget_bytes=64 * 1024)
    settings = Settings(
        STEPS, report_every=100, checkpoint_every=CHECKPOINT_EVERY, validate_every=50, at_boot=True, baseline_ms=1
    )  # fmt: skip
    return _data_on_card(make_job(graph, plan, initialise(_MODEL, 1), _data(), TARGET, settings))


def _data_on_card(order: Job) -> Job:
    """The same job with its data set on the card, as one that is too large for the board's flash."""
    files = dict(order.files)
    encoded = files.pop("/tercet/data.tds")
    settings = {**order.settings, "data": [len(encoded), card_crc(encoded)]}
    files[order.path] = json.dumps(settings).encode()
    return Job(files, settings, {DATA_BLOCK: encoded})


def _data() -> PackedData:
    """Four noisy patterns."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 120)
    patterns = rng.integers(60, 196, (4, 12))
    rows = np.clip(patterns[labels] + rng.normal(0, 40, (120, 12)), 0, 255).astype(np.uint8)
    return PackedData(rows, labels, 100, 4, 1 / 64, -2.0)


def _actions(graph: Graph) -> list[Action]:
    """Everything kept, but what the first layer gave lies on the card from the second layer's forward to its backward pass."""
    actions = list(keep_all(graph).actions)
    at = actions.index(Compute("dense2")) + 1
    actions[at:at] = [PageOut("dense1"), Free("dense1")]
    at = actions.index(Update("dense2.update"))
    actions[at:at] = [PageIn("dense1")]
    return actions
