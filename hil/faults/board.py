# SPDX-License-Identifier: Apache-2.0
"""A board that runs the job by itself, each time from the same flash and with the same card, under given faults."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import job
from tercet import resources
from tercet.board import virtual
from tercet.board.base import TAG, Board
from tercet.board.link import Link
from tercet.train import boot, card, session

# wall clock; a board that says nothing for so long hangs
_SILENCE_S = 120.0


@dataclass(frozen=True)
class Story:
    """What a board told until it was done, at which byte of its console, and what had come to pass by then."""

    events: list[dict[str, Any]]
    console_bytes: int
    happened: list[dict[str, Any]]
    flips_met: int

    def count(self, fault: str) -> int:
        """How often that fault came to pass before the job was done."""
        return sum(entry["fault"] == fault and entry["console_bytes"] <= self.console_bytes for entry in self.happened)

    @property
    def done(self) -> dict[str, Any]:
        """The last thing that the board told."""
        return self.events[-1]

    @property
    def page_block(self) -> int:
        """Where on the card the pages begin: by chance, but the same in runs that begin alike."""
        return next(event["first_block"] for event in self.events if event["event"] == "pages")

    def checkpoints(self) -> dict[int, int]:
        """Step -> CRC-32 of state, weights and momentum."""
        return {event["step"]: event["crc"] for event in self.events if event["event"] == "checkpoint"}


class Place:
    """A folder with the flash of a board that the job was brought to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        order = job.make()
        state = folder / "deployed"
        options = {"image": resources.firmware(job.TARGET.name), "state": state, "sd": folder / "first.img", "pace": "max",
                   "options": ("--sd-mb", "20")}
        with virtual.temporary(**options) as running, Board(running.serial) as board:
            session.deploy(board, order, job.TARGET)
            card.place_files(board, job.TARGET, order.card_files, running.sd)
            boot.place(board, order)

    def run(self, faults: list[dict[str, Any]]) -> Story:
        """The story of one run under these faults."""
        state = self._folder / f"run{self._runs}"
        self._runs += 1
        state.mkdir()
        shutil.copy(self._folder / "first.img", state / "card.img")
        for name in ("flash.bin", "uicr.bin"):
            shutil.copy(self._folder / "deployed" / name, state / name)
        path = state / "faults.jsonl"
        path.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
        options = {"state": state, "sd": state / "card.img", "faults": path, "pace": "max", "options": ("--line", "direct")}
        with virtual.temporary(**options) as running:
            events, console_bytes = _follow(running.serial)
        told = json.loads((state / "faults.json").read_text())
        shutil.rmtree(state)
        return Story(events, console_bytes, told["happened"], told["flips_met"])


def _follow(port: str) -> tuple[list[dict[str, Any]], int]:
    """(events up to "done", bytes of the console up to there)"""
    link, events, count = Link(port), [], 0
    try:
        while not events or events[-1]["event"] != "done":
            line = link.read_until(b"\n", _SILENCE_S)
            if not line.endswith(b"\n"):
                raise TimeoutError(f"the board fell silent after {events[-3:]}")
            count += len(line)
            # a line that power cut short has the next boot's first one behind it
            at = line.rfind(TAG)
            if at >= 0 and line.endswith(b"}\r\n"):
                events.append(json.loads(line[at + len(TAG) :]))
    finally:
        link.close()
    return events, count

