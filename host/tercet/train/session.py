# SPDX-License-Identifier: Apache-2.0
"""One run on a board: files over the wire, the loop started, its lines followed, the metered steps captured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tercet import resources
from tercet.board import sync
from tercet.board.base import Board
from tercet.errors import BoardError, InputError
from tercet.meter.base import Capture, Meter
from tercet.targets import Target
from tercet.train.job import FOLDER, Job

# What a user can do about an error that the board names.
HINTS = {
    "card_missing": "put a card into the slot, or solve without paging (a larger --ram)",
    "card_protected": "slide the card's lock, or take another card",
    "card_full": "take a larger card; `tercet card prepare` makes room for pages",
    "card_foreign": "`tercet card prepare` makes a page partition; it never writes over data without --force",
    "card_crc": "shorten the wires or lower the bus rate in the target file",
    "card_timeout": "the card stalls longer than its specification allows: take another one",
    "page": "the card changed a page between writing and reading it: take another card",
    "memory": "a smaller --ram budget, or a firmware with less in its heap",
    "plan": "run `tercet plan` for this model and this board again",
    "weights": "deploy weights and plan of the same model",
}


@dataclass
class Run:
    """What a run told: every event in order, the last event of each kind, the capture of the metered steps."""

    events: list[dict[str, Any]] = field(default_factory=list)
    capture: Capture | None = None

    def last(self, event: str) -> dict[str, Any]:
        """The last event of that kind; raises BoardError when the board never told it."""
        for entry in reversed(self.events):
            if entry["event"] == event:
                return entry
        raise BoardError(f"the board ended without telling {event!r}")


def library_files(target: Target) -> Iterator[tuple[str, bytes]]:
    """(path on the board, content) of the device library and the native kernels."""
    for path in sorted(resources.device_library().glob("*.py")):
        yield f"/lib/tercet_device/{path.name}", path.read_bytes()
    yield "/lib/tercet_kernels.mpy", resources.kernels(target.mpy_arch).read_bytes()


def deploy(board: Board, job: Job, target: Target, progress: Callable[[str, int, int], None] | None = None) -> int:
    """Copies library, kernels and the job's files, skipping what is there already; returns the bytes that travelled."""
    files = [*library_files(target), *job.files.items()]
    sent = 0
    for number, (path, data) in enumerate(files):
        if progress:
            progress(path, number, len(files))
        if sync.put(board, path, data):
            sent += len(data)
    return sent


def run(
    board: Board, job: Job, *, meter: Meter | None = None, on_event: Callable[[dict[str, Any]], None] | None = None,
    silence_s: float = 120.0,
) -> Run:  # fmt: skip
    """Starts the loop and follows it to its end.

    With a meter the capture begins before the loop and ends with the metered steps. Raises BoardError when the board reports an
    error or goes silent; the meter is stopped in any case.
    """
    result = Run()
    board.soft_reset()
    capturing = meter is not None and job.settings["metered_steps"] > 0
    if capturing:
        assert meter is not None
        meter.start()
    try:
        code = f"from tercet_device import loop\nloop.main({job.path!r})"
        for event in board.run(code, silence_s=silence_s):
            event["host_s"] = round(time.monotonic(), 6)
            result.events.append(event)
            if event["event"] == "metered" and capturing:
                assert meter is not None
                result.capture, capturing = meter.stop(), False
            if on_event:
                on_event(event)
            if event["event"] == "error":
                raise device_error(event)
    finally:
        if capturing:
            assert meter is not None
            meter.stop()
    result.last("done")
    return result


def device_error(event: dict[str, Any]) -> Exception:
    """The host's error for one that the board told."""
    text = f"the board reports: {event['text']}"
    kind = InputError if event["kind"] in ("data", "plan", "weights") else BoardError
    return kind(text, hint=HINTS.get(event["kind"], ""))


def pull(board: Board) -> bytes:
    """The trained weights file from the board."""
    return sync.get(board, f"{FOLDER}/trained.bin")
