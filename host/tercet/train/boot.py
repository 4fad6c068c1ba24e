# SPDX-License-Identifier: Apache-2.0
"""The board's own start: a main.py that continues an unfinished job after a loss of power, until the job is done."""

from __future__ import annotations

from tercet.board import sync
from tercet.board.base import Board
from tercet.errors import InputError
from tercet.train import session
from tercet.train.job import BOOT_FILE, Job

_MARK = "# Written by tercet: goes on with a training job until it is done, then removes itself."
# as after a card was pulled: what was wrong may be mended by then
_AGAIN = """if outcome == "error":
    from time import sleep
    from machine import reset
    sleep(10)
    reset()
"""
_FIRST_LINE = """
try:
    with open({path!r}) as stream:
        print(stream.readline().strip())
except OSError:
    print()
"""
_REMOVE = "import os\nos.remove({path!r})"


def place(board: Board, job: Job) -> None:
    """Makes the board run `job` at each start until it is done; raises InputError rather than replace the user's own main.py."""
    if _first_line(board) not in ("", _MARK):
        raise InputError(f"the board has a {BOOT_FILE} of its own", hint="call loop.main(path, resume=True) from it")
    sync.sync(board, {BOOT_FILE: (_MARK + session.program(job, True) + _AGAIN).encode()})


def remove(board: Board) -> None:
    """Takes a main.py of ours from the board; anybody else's stays."""
    if _first_line(board) == _MARK:
        board.exec(_REMOVE.format(path=BOOT_FILE))


def _first_line(board: Board) -> str:
    return board.exec(_FIRST_LINE.format(path=BOOT_FILE)).strip()
