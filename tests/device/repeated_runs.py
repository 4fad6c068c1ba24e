# SPDX-License-Identifier: Apache-2.0
"""A job that the board runs by itself, again and again from the same flash and card, while the host is more or less busy."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import board_process
from tercet.board import virtual
from tercet.board.base import Board
from tercet.targets import Target
from tercet.train import boot, session
from tercet.train.job import Job

_CARD = ("--sd-mb", "20")


@contextlib.contextmanager
def host_load(processes: int) -> Iterator[None]:
    """So many processes that do nothing but compute meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


class Deployed:
    """A folder with the flash and the card of a board that `job` was brought to in the form that it starts by itself."""

    def __init__(self, folder: Path, image: Path, job: Job, target: Target) -> None:
        self._folder = folder
        start = {"image": image, "state": folder / "deployed", "sd": folder / "first.img", "pace": "max"}
        with virtual.temporary(**start, options=_CARD) as running, Board(running.serial) as board:
            session.deploy(board, job, target)
            boot.place(board, job)

    def run(self, name: str, until_ms: float, faults: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Cycles, instructions, charge, and hashes of RAM, flash and card after so much virtual time under these faults.

        `happened`: what came to pass of them, with its moment.
        """
        state = self._folder / name
        state.mkdir()
        shutil.copy(self._folder / "first.img", state / "card.img")
        for kept in ("flash.bin", "uicr.bin"):
            shutil.copy(self._folder / "deployed" / kept, state / kept)
        command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", name, "--state", state, "--pace", "max",
                   "--sd", state / "card.img", "--stop-at-ms", str(until_ms), "--faults", state / "faults.jsonl"]  # fmt: skip
        (state / "faults.jsonl").write_text("".join(json.dumps(fault) + "\n" for fault in faults))
        path = os.pathsep.join(filter(None, [str(board_process.ROOT / "hil" / "virtual_board"), os.environ.get("PYTHONPATH")]))
        subprocess.run(command, check=True, capture_output=True, timeout=300, env={**os.environ, "PYTHONPATH": path})
        told = json.loads((state / "digest.json").read_text())
        written = sum(json.loads((state / "sd-wear.json").read_text())["blocks_written"].values())
        card = hashlib.sha256((state / "card.img").read_bytes()).hexdigest()
        happened = json.loads((state / "faults.json").read_text())["happened"]
        return {**told, "card": card, "card_blocks_written": written, "happened": happened}

    def result(self, name: str) -> tuple[list[str], bytes]:
        """(files of the board's root, the trained weights) as the named run left them."""
        start = {"state": self._folder / name, "sd": self._folder / name / "card.img", "pace": "max"}
        with virtual.temporary(**start) as running, Board(running.serial) as board:
            return board.eval("__import__('os').listdir('/')"), session.pull(board)
