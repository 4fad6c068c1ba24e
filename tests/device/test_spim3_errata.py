# SPDX-License-Identifier: Apache-2.0
"""What is sent to the card lies in RAM that nobody touches meanwhile (errata 195 and 198 of the nRF52840)."""

from __future__ import annotations

import os
from pathlib import Path

import board_process
import pytest
import small_job
from tercet.autodiff import training_graph
from tercet.board.base import Board
from tercet.model import initialise
from tercet.plan import lower
from tercet.solve.schedule import Schedule
from tercet.train import session
from tercet.train.job import Settings, make_job

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"


@pytest.mark.parametrize("overlap", [False, True], ids=["waiting", "overlapped"])
def test_nothing_is_sent_from_memory_in_use(overlap: bool, tmp_path: Path) -> None:
    graph = training_graph(small_job.MODEL, small_job.BATCH, optimizer={"name": "sgd", "rate": 0.2})
    schedule = Schedule(tuple(small_job.frugal(graph)))
    plan = lower.lower(graph, schedule, target=small_job.TARGET.name, budget_bytes=4096, overlap=overlap)
    settings = Settings(4, evaluate=False, checkpoint_every=2, baseline_ms=1)
    order = make_job(graph, plan, initialise(small_job.MODEL, 1), small_job.data(), small_job.TARGET, settings)
    state, words = tmp_path / "state", ("--pace", "max", "--sd", tmp_path / "card.img")
    board = board_process.start(state, "--image", IMAGE, *words, name=f"deploy-{os.getpid()}")
    try:
        with Board(board.serial) as at:
            session.deploy(at, order, small_job.TARGET)
    finally:
        board.stop()
    # the virtual board garbles what is sent when the processor touches its 8 KB, and says so at its end
    board = board_process.start(state, *words, "--spim3-errata", name=f"errata-{os.getpid()}")
    try:
        with Board(board.serial) as at:
            done = session.run(at, order).last("done")
    finally:
        board.stop()
    assert "corrupted" not in board.complaints()
    assert done["bytes_out"] > 0 and done["retries"] == done["card_retries"] == 0
