# SPDX-License-Identifier: Apache-2.0
"""Pages that move beside computation: the same bits as in turn, and still nothing allocated in a step."""

from __future__ import annotations

from collections.abc import Iterator

import allocation
import board_process
import numpy as np
import pytest
from small_job import TARGET, keep_all
from tercet.autodiff import training_graph
from tercet.autodiff.graph import Graph
from tercet.board.base import Board
from tercet.model import initialise, mlp
from tercet.plan import lower
from tercet.plan.dataset_file import PackedData
from tercet.profile import card_probe
from tercet.profile.bench import BLOCK
from tercet.solve.schedule import Action, Free, PageIn, PageOut, Schedule
from tercet.train import card, session
from tercet.train.job import Job, Settings, make_job

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
# 32 rows of 64 numbers are 16 blocks, which take about as long on the bus as a layer takes the processor
MODEL, BATCH = mlp("wide", [16, 64, 64, 64, 3]), 32


def paging(graph: Graph) -> list[Action]:
    """Two activations on the card meanwhile: both on their way at once while layers run, back while others do."""
    actions = keep_all(graph)
    for before, moved in (
        ("dense2", [PageOut("dense1")]),
        ("dense3", [PageOut("dense2")]),
        ("dense4", [Free("dense1")]),
        ("loss", [Free("dense2")]),
        ("dense4.update", [PageIn("dense2"), PageIn("dense1")]),
    ):
        at = next(i for i, action in enumerate(actions) if getattr(action, "node", "") == before)
        actions[at:at] = moved
    return actions


def job(overlap: bool) -> Job:
    """Five steps with pages in turn or beside computation."""
    graph = training_graph(MODEL, BATCH)
    plan = lower.lower(graph, Schedule(tuple(paging(graph))), target=TARGET.name, budget_bytes=0, overlap=overlap)
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 256, (70, 16)).astype(np.uint8)
    data = PackedData(rows, rng.integers(0, 3, 70), 64, 3, 1 / 255, -0.5)
    return make_job(graph, plan, initialise(MODEL, 1), data, TARGET, Settings(steps=5, metered_steps=2, evaluate=False))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board with a card."""
    folder = tmp_path_factory.mktemp("board")
    options = ("--image", IMAGE, "--pace", "max", "--sd", folder / "card.img")
    running = board_process.start(folder / "state", *options, name="overlap")
    with Board(running.serial) as found:
        yield found
    running.stop()


def test_the_same_bits_beside_computation_as_in_turn(board: Board) -> None:
    digests = []
    for overlap in (False, True):
        work = job(overlap)
        session.deploy(board, work, TARGET)
        done = session.run(board, work).last("done")
        assert done["bytes_out"] == done["bytes_in"] == 5 * 2 * 4 * BATCH * 64
        digests.append(done["digest"])
    assert digests[0] == digests[1]


def test_a_step_allocates_nothing_beside_transfers(board: Board) -> None:
    work = job(overlap=True)
    session.deploy(board, work, TARGET)
    board.soft_reset()
    told = list(board.run(allocation.program(work.path, BLOCK)))[-1]
    assert told["bytes"] == 0
    assert told["paged"] > 0


def test_the_card_tells_its_own_times(board: Board) -> None:
    """The profile `ordinary` of the emulated card, to the byte on its bus; a real card would tell others."""
    first = card.prepare(board, TARGET, 64 * 1024)["first_block"]
    times = card_probe.probe(board, TARGET.card, first)
    found = [times.busy_us, times.stop_us, times.access_us, times.gap_us]
    assert np.allclose(found, [600, 1000, 600, 60], atol=1.5)
