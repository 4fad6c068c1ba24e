# SPDX-License-Identifier: Apache-2.0
"""Weights larger than RAM on the virtual board: a step or two of what `make weight-tiles` does twenty of."""

from __future__ import annotations

from pathlib import Path

import pytest
import weight_tiles
from tercet.cli import work
from tercet.plan import weights_file
from unix_port import last, run_job

pytestmark = [pytest.mark.board, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("name", "steps"), [("784-128-10", 2), ("lenet-5", 2), ("resnet-8", 1)])
def test_the_board_trains_what_does_not_fit_its_ram(name: str, steps: int, tmp_path: Path) -> None:
    network = weight_tiles.NETWORKS[name]
    graph, packed = network.graph(), network.data(whole=False)
    plan = weight_tiles.plan_of(graph, network.budgets[0], not network.frugal)
    weight_bytes = sum(tensor.nbytes for tensor in graph.persistent)
    assert plan.peak_bytes <= network.budgets[0] < weight_bytes
    with weight_tiles.board_of(256) as (board, image):
        job = weight_tiles.job_of(network, graph, plan, packed, steps)
        found, done = weight_tiles.on_board(network, board, image, graph, plan, job)
    assert done["bytes_in"] > done["bytes_out"] > 0
    # all in RAM, on another machine
    whole = weight_tiles.plan_of(graph, None)
    order = weight_tiles.job_of(network, graph, whole, packed, steps)
    events = run_job(order, tmp_path, work.operator_set(graph))
    kept = weights_file.decode((tmp_path / "trained.bin").read_bytes(), graph, whole.graph_id)
    assert last(events, "done")["digest"] == done["digest"]
    assert all((found[key] == kept[key]).all() for key in kept)
    assert weight_tiles.distance(found, weight_tiles.expected(network, graph, packed, steps)) <= 1e-4
