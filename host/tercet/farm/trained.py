# SPDX-License-Identifier: Apache-2.0
"""A small network trained on the board of a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet import costs
from tercet.autodiff.training import training_graph
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.meter.base import Meter
from tercet.model import graph as models
from tercet.model.builder import mlp
from tercet.plan import lower
from tercet.solve import from_graph, solve
from tercet.train import data, job, session
from tercet.train.session import Run

_ROOMY_BYTES = 200_000


def train(
    board: Board, bench: Bench, *, widths: Sequence[int] = (64, 16, 10), source: str = "digits", batch: int = 16, steps: int = 20,
    seed: int = 1, meter: Meter | None = None, **settings: Any,
) -> tuple[Run, bytes]:  # fmt: skip
    """Trains an MLP of these widths by a schedule with room for everything; returns the run and the trained weights file."""
    model = mlp("hil", list(widths))
    weights: dict[str, np.ndarray] = models.initialise(model, seed)
    graph = training_graph(model, batch, "softmax_cross_entropy", {"name": "sgd"})
    free = costs.OpCost(1.0, 1.0)
    table = costs.CostTable(
        bench.target, {node.signature: free for node in graph.nodes}, costs.PageCost(), costs.PageCost()
    )
    found = solve(from_graph(graph, table, ram_bytes=_ROOMY_BYTES), "exact", time_limit_s=10)
    plan = lower.lower(graph, found.schedule, target=bench.target, budget_bytes=_ROOMY_BYTES)
    target = bench.load_target()
    chosen = job.Settings(steps, seed, steps if meter else 0, **settings)
    order = job.make_job(graph, plan, weights, data.load(source), target, chosen)
    session.deploy(board, order, target)
    run = session.run(board, order, meter=meter)
    return run, session.pull(board)
