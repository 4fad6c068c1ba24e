# SPDX-License-Identifier: Apache-2.0
"""A step of training on the board allocates nothing: Python's heap is as full afterwards as before."""

from __future__ import annotations

import allocation
import board_process
import pytest
from small_job import TARGET, job
from tercet.board.base import Board
from tercet.train import session

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """A board with a card."""
    folder = tmp_path_factory.mktemp("board")
    running = board_process.start(folder / "state", "--image", IMAGE, "--pace", "max", "--sd", folder / "card.img", name="heap")
    with Board(running.serial) as board:
        yield board
    running.stop()


@pytest.mark.parametrize("schedule, paged", [("keep_all", False), ("frugal", True)])
def test_a_step_allocates_nothing(board: Board, schedule: str, paged: bool) -> None:
    work = job(schedule, {"name": "sgd", "rate": 0.2})[2]
    session.deploy(board, work, TARGET)
    board.soft_reset()
    told = list(board.run(allocation.program(work.path)))[-1]
    assert told["bytes"] == 0
    assert (told["paged"] > 0) == paged
