# SPDX-License-Identifier: Apache-2.0
"""A network small enough for any test, with a schedule that keeps everything and one that pages and recomputes."""

from __future__ import annotations

import numpy as np
from tercet import targets
from tercet.autodiff import training_graph
from tercet.autodiff.graph import Graph
from tercet.model import initialise, mlp
from tercet.plan import keep, lower
from tercet.plan.dataset_file import PackedData
from tercet.plan_format import Plan
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Recompute, Schedule
from tercet.train.job import Job, Settings, make_job

TARGET = targets.load("nrf52840dk")
MODEL = mlp("m", [6, 8, 8, 8, 3])
BATCH = 5


def keep_all(graph: Graph) -> list[Action]:
    """Everything kept until its last use."""
    return list(keep.keep_all(graph).actions)


def frugal(graph: Graph) -> list[Action]:
    """The same step with `dense1` on the card meanwhile, `dense2` and the input made again."""
    actions = keep_all(graph)
    at = actions.index(Compute("dense3"))
    actions[at:at] = [PageOut("dense1"), Free("dense1"), Free("x")]
    at = actions.index(Compute("dense3"))
    actions[at + 1 : at + 1] = [Free("dense2")]
    at = actions.index(Compute("dense3.backward_data"))
    actions[at:at] = [PageIn("dense1"), Recompute("dense2")]
    at = actions.index(Compute("dense1.activation_backward"))
    actions[at:at] = [Recompute("read_input")]
    return actions


def data() -> PackedData:
    """33 random samples of three classes, seven of them held out."""
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 256, (33, 6)).astype(np.uint8)
    return PackedData(rows, rng.integers(0, 3, 33), 26, 3, 1 / 255, -0.5)


def job(
    actions: str, optimizer: dict[str, object], steps: int = 12, settings: Settings | None = None,
    overlap: bool = False,
) -> tuple[Graph, Plan, Job, PackedData]:  # fmt: skip
    """Graph, plan, job and data by the schedule of that name."""
    graph = training_graph(MODEL, BATCH, optimizer=optimizer)
    schedule = Schedule(tuple({"keep_all": keep_all, "frugal": frugal}[actions](graph)))
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=4096, overlap=overlap)
    packed = data()
    settings = settings or Settings(steps=steps, metered_steps=4, report_every=4, baseline_ms=1)
    return graph, plan, make_job(graph, plan, initialise(MODEL, 1), packed, TARGET, settings), packed
