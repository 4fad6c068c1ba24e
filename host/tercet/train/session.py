# SPDX-License-Identifier: Apache-2.0
"""One run on a board: files over the wire, the loop started, its lines followed, the metered steps captured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tercet import resources
from tercet.board import sync
from tercet.board.base import Board, ProgramError
from tercet.capture import Capture
from tercet.errors import BoardError, InputError, TercetError
from tercet.meter.base import Meter
from tercet.targets import Target
from tercet.train import bytecode
from tercet.train.job import FOLDER, Job

PREAMBLE_EDGES = 3
# Imports leave garbage between what stays; collected every 2 kB, until the arena settles, it does not scatter the heap.
_START = """
import gc, sys
gc.collect()
heap = gc.mem_free()
if "/lib" not in sys.path:
    sys.path.append("/lib")
gc.threshold(2048)
{block}from tercet_device import arena
arena.reserve({arena_bytes})
from tercet_device import kernels
from tercet_device import loop
{driver}outcome = loop.main({path!r}, {resume}, None, heap)
"""
_REMOVE = """
import os
for path in {!r}:
    try:
        os.remove(path)
    except OSError:
        pass
"""
_BLOCK = """from tercet_device import ram_block
ram_block.reserve()
"""
_DRIVER = """
try:
    from tercet_device import native_card
except ImportError:
    pass
"""
_OPEN_RESULT = """
import sys
if "/lib" not in sys.path:
    sys.path.append("/lib")
from tercet_device import result, trace
from tercet_device.errors import DeviceError
try:
    _tercet_file = result.open_result({path!r})
except DeviceError as error:
    trace.emit("error", kind=error.kind, text=error.text)
"""
# What a user can do about an error that the board names.
HINTS = {
    "card_missing": "put a card into the slot, or solve with a RAM budget that needs no pages",
    "card_protected": "slide the card's lock, or take another card",
    "card_full": "take a larger card; `tercet card prepare --size` makes room, with --file in a file beside others",
    "card_foreign": "`tercet card prepare --file` makes a page file beside the data (FAT16, FAT32); without --file it makes a "
    "page partition, and writes over data only with --force",
    "card_file": "`tercet card prepare --file --force` makes the page file anew, of --size; other files stay",
    "card_crc": "shorten the wires, or lower the bus rate in the target file",
    "card_timeout": "the card stalls longer than its specification allows: take another one",
    "random": "flash a firmware with os.urandom, or train with --no-encrypt",
    "page": "the card changed a page between writing and reading it: take another card",
    "memory": "a smaller --ram budget, or a firmware with a larger heap",
    "plan": "run `tercet plan` for this model and this board again",
    "weights": "deploy weights and plan of the same model",
    "checkpoint": "deploy with --checkpoint-every; a board without a card needs room in its flash for two checkpoints",
}


@dataclass
class Run:
    """What a run told: every event in order, and the capture of the metered steps."""

    events: list[dict[str, Any]] = field(default_factory=list)
    capture: Capture | None = None

    def last(self, event: str) -> dict[str, Any]:
        """The last event of that kind; raises BoardError when the board never told it."""
        for entry in reversed(self.events):
            if entry["event"] == event:
                return entry
        raise BoardError(f"the board ended without telling {event!r}")

    def all(self, event: str) -> list[dict[str, Any]]:
        """Every event of that kind."""
        return [entry for entry in self.events if entry["event"] == event]


def library_files(target: Target, operators: str) -> Iterator[tuple[str, bytes]]:
    """(path on the board, content) of the device library and the native kernels for a set of operators."""
    for path in sorted(resources.device_library().glob("*.py")):
        name, content = bytecode.of(path)
        yield f"/lib/tercet_device/{name}", content
    yield "/lib/tercet_kernels.mpy", resources.kernels(target.mpy_arch, operators).read_bytes()
    yield "/lib/tercet_cipher.mpy", resources.cipher(target.mpy_arch).read_bytes()
    driver = resources.card_driver(target.mpy_arch) if target.card.get("native") else None
    if driver is not None:
        yield "/lib/tercet_card.mpy", driver.read_bytes()


def deploy(
    board: Board, job: Job, target: Target, operators: str = "mlp", progress: Callable[[str, int, int], None] | None = None
) -> list[str]:
    """Copies library, kernels and the job's files, leaving alone what is there already; returns the paths that were written."""
    return send(board, {**dict(library_files(target, operators)), **job.files}, progress)


def send(
    board: Board, files: dict[str, bytes], progress: Callable[[str, int, int], None] | None = None
) -> list[str]:  # fmt: skip
    """Copies files and returns the paths that were written. A source beside its bytecode is removed: it would be taken."""
    # what ran before may have left an arena behind
    board.soft_reset()
    sources = [path[:-3] + "py" for path in files if path.endswith(".mpy")]
    board.exec(_REMOVE.format(sources))
    return sync.sync(board, files, progress=progress)


def run(
    board: Board, job: Job, *, meter: Meter | None = None, on_event: Callable[[dict[str, Any]], None] | None = None,
    silence_s: float = 120.0, resume: bool = False,
) -> Run:  # fmt: skip
    """Starts the loop, or lets it `resume` from its last checkpoint, and follows it to its end.

    `meter`, where there is one, captures the metered steps.

    Raises BoardError when the board reports an error, goes silent or away; the meter is stopped in any case.
    """
    result = Run()
    board.soft_reset()
    metered = job.settings["metered_steps"] if meter is not None else 0
    capturing = metered > 0
    if capturing:
        assert meter is not None
        meter.start()
    try:
        code = program(job, resume)
        for event in board.run(code, silence_s=silence_s):
            result.events.append(event)
            if event["event"] == "error":
                raise device_error(event)
            if event["event"] == "metered" and capturing:
                assert meter is not None
                meter.wait(PREAMBLE_EDGES + metered, _tail_samples(meter, job), silence_s)
                result.capture, capturing = meter.stop(), False
            if on_event:
                on_event(event)
    except ProgramError as error:
        if error.kind != "MemoryError":
            raise
        beside = f"beside an arena of {job.settings['arena_bytes']} bytes the board's heap has no room for library and data"
        raise BoardError(beside, hint=HINTS["memory"]) from error
    finally:
        if capturing:
            assert meter is not None
            meter.stop()
    result.last("done")
    return result


def program(job: Job, resume: bool) -> str:
    """The program that starts a job: what needs much memory in one piece comes first, then the largest modules."""
    settings = job.settings
    store = settings.get("card") or settings["store"] or {}
    return _START.format(
        path=job.path, resume=resume, arena_bytes=settings["arena_bytes"],
        driver=_DRIVER if store.get("native") else "", block=_BLOCK if settings["overlap"] and store.get("native") else "",
    )  # fmt: skip


def _tail_samples(meter: Meter, job: Job) -> int:
    """Samples of idling that must follow the last metered step: they are a part of the baseline."""
    return round(0.9 * job.settings["baseline_ms"] * meter.capabilities.rate_hz / 1000)


def device_error(event: dict[str, Any]) -> TercetError:
    """The host's error for one that the board told."""
    kind = InputError if event["kind"] in ("data", "plan", "weights") else BoardError
    return kind(f"the board reports: {event['text']}", hint=HINTS.get(event["kind"], ""))


def push(board: Board, weights: bytes) -> None:
    """Brings a weights file to the board, for its predictions and as the start of its next training."""
    sync.sync(board, {f"{FOLDER}/weights.bin": weights, f"{FOLDER}/trained.bin": weights})


def pull(board: Board) -> bytes:
    """The trained weights file from the board or its card, whose heap is fresh then: beside a large arena no file can be read.

    Raises BoardError when no job is on the board, or it trained nothing.
    """
    board.soft_reset()
    place = json.loads(sync.get_file(board, f"{FOLDER}/job.json"))["result"]
    if isinstance(place, str):
        return sync.get_file(board, place)
    for event in board.run(_OPEN_RESULT.format(path=f"{FOLDER}/job.json")):
        if event["event"] == "error":
            raise device_error(event)
    return sync.get_stream(board, place[0])
