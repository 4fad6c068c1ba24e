# SPDX-License-Identifier: Apache-2.0
"""Runs cases on a board, each in a marked region, and captures the meter beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet import plan_format
from tercet.board import sync
from tercet.board.base import Board, ProgramError
from tercet.capture import Capture
from tercet.errors import BoardError, MeterError
from tercet.kernel_table import HYPER
from tercet.measure import align, energy
from tercet.meter.base import Meter
from tercet.profile.cases import EMPTY, Case, plan
from tercet.profile.region import abandon
from tercet.targets import Target

FOLDER = "/tercet"
_COPIES = 4
# not every firmware looks for modules where tools put them
LIBRARY_PATH = "import sys\nif '/lib' not in sys.path: sys.path.append('/lib')\n"
# the arena first: compiled modules would leave the heap in pieces
_CODE = LIBRARY_PATH + """{block}from tercet_device import arena
arena.reserve({arena_bytes})
from tercet_device import kernels, profile
profile.main({path!r})
"""
# and before it, where it is needed, the memory whose place matters
BLOCK = "from tercet_device import ram_block\nram_block.reserve()\n"
_BASELINE_MS = 50


@dataclass(frozen=True)
class Effort:
    """How much a profile does: each region lasts at least `region_us`, has at most `most_repeats`, and comes `rounds` times."""

    region_us: float = 12_000.0
    most_repeats: int = 48
    rounds: int = 5


@dataclass(frozen=True)
class Raw:
    """What a run gave: `time_us` float [rounds, cases] by the device, `net_j` the same by the meter (None without one).

    `repeats` int [cases] says how often a case stood in its region. `measurement` holds baseline and causes.
    """

    cases: tuple[Case, ...]
    repeats: np.ndarray
    time_us: np.ndarray
    net_j: np.ndarray | None
    measurement: energy.Measurement | None
    capture: Capture | None


class Bench:
    """A board with device library and kernels on it, perhaps a meter, and what a job needs to know about them.

    `data`: a packed data set, or the entries of a job that say where on the card it is. `encrypted`: pages are
    sealed, `overlap`: moved beside computation, as in training.
    """

    def __init__(
        self, board: Board, target: Target, meter: Meter | None = None, *, data: bytes | dict[str, Any] | None = None,
        store: dict[str, Any] | None = None, encrypted: bool = True, overlap: bool = False,
        pins: tuple[int, tuple[int, ...]] = (0, (1, 2, 3)),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.board, self.target, self.meter = board, target, meter
        self._data, self._store, self._pins, self._progress = data, store, pins, progress
        self._encrypted = encrypted
        # only the native driver works beside the processor
        self.overlap = bool(overlap and store and store.get("native"))
        self._arena_bytes, self._largest = 0, ""
        self.card_hz = 0  # of the card's bus in the last run

    def run(self, cases: list[Case], effort: Effort) -> Raw:
        """All cases: once to learn how long each takes, then repeated and metered.

        Raises BoardError when the board fails, MeterError when the measurement is INVALID (its causes are in the message).
        """
        # File systems and cards take their time by whim: it takes several batches and pages to know the mean. What Python
        # executes leaves garbage behind and is slower the more there is: as in a step, each stands in its region once.
        cases = [case for case in cases for _ in range(_COPIES if case.python and case.name != EMPTY else 1)]
        self._progress(f"timing {len(cases)} cases")
        once = self._times(cases, np.ones(len(cases), int), rounds=2, marked=False)
        single_us = np.maximum(once.min(axis=0), 1.0)
        most = [1 if case.python or case.name == EMPTY else effort.most_repeats for case in cases]
        repeats = np.clip(np.ceil(effort.region_us / single_us), 1, most).astype(int)
        seconds = float((single_us * repeats).sum() * effort.rounds * 1e-6)
        self._progress(f"measuring {len(cases)} cases, {effort.rounds} times each: {seconds:.0f} s of the board's time")
        return self._metered(cases, repeats, effort.rounds)

    def repeated(self, cases: list[Case], rounds: int) -> Raw:
        """The cases `rounds` times in turn, each once in its region; raises as `run` does."""
        self._progress(f"measuring {len(cases)} cases, {rounds} times each")
        return self._metered(cases, np.ones(len(cases), int), rounds)

    def _metered(self, cases: list[Case], repeats: np.ndarray, rounds: int) -> Raw:
        if self.meter is None:
            return Raw(tuple(cases), repeats, self._times(cases, repeats, rounds, marked=True), None, None, None)
        self._deploy(cases, repeats, rounds, marked=True)
        self.meter.start()
        try:
            time_us = self._follow(rounds * len(cases)).reshape(rounds, len(cases))
            tail = round(_BASELINE_MS * 1e-3 * self.meter.capabilities.rate_hz)
            self.meter.wait(align.PREAMBLE_PULSES + rounds * len(cases), tail, 10.0)
        except BaseException:
            abandon(self.meter)
            raise
        capture = self.meter.stop()
        found = align.find(
            capture, rounds * len(cases), region_pin=self._pins[0], phase_pins=self._pins[1],
            durations_s=time_us.ravel() * 1e-6,
        )  # fmt: skip
        measurement = energy.measure(capture, found, idle_s=(_BASELINE_MS - 5) * 1e-3)
        if not measurement.valid:
            raise MeterError(f"the profile's measurement is INVALID: {'; '.join(measurement.causes)}")
        net = np.array([region.net_j for region in measurement.regions]).reshape(rounds, len(cases))
        return Raw(tuple(cases), repeats, time_us, net, measurement, capture)

    def _times(self, cases: list[Case], repeats: np.ndarray, rounds: int, marked: bool) -> np.ndarray:
        self._deploy(cases, repeats, rounds, marked)
        return self._follow(rounds * len(cases)).reshape(rounds, len(cases))

    def _too_large(self) -> BoardError:
        """The error when the heap does not hold the profile beside the arena of the largest case."""
        return BoardError(
            f"{self._largest} needs {self._arena_bytes} bytes, which the board's heap does not hold beside the profile",
            hint="divide the weights into smaller tiles (tercet graph --tile-bytes), or take a smaller batch",
        )

    def _deploy(self, cases: list[Case], repeats: np.ndarray, rounds: int, marked: bool) -> None:
        """Plans and job onto the board."""
        arena_bytes = max(case.arena_bytes for case in cases)
        page_blocks = sum(case.blocks for case in cases if case.opcode == plan_format.PAGE_OUT)
        plans, table = b"", []
        for case, count in zip(cases, repeats, strict=True):
            data = plan(case, int(count), arena_bytes, page_blocks)
            table.append([len(plans), len(data), case.arena_bytes, [list(pair) for pair in case.integers]])
            plans += data
        # rate 0: mutated weights must not run away while they are updated again and again
        hyper = [0.5 if name in ("beta1", "beta2", "correction1", "correction2", "epsilon") else 0.0 for name in HYPER]
        job = {
            "arena_bytes": arena_bytes, "plans": f"{FOLDER}/profile.bin", "cases": table, "hyper": hyper,
            "markers": self.target.markers.get("registers"),
            **(self._data if isinstance(self._data, dict) else {"data": f"{FOLDER}/data.tds" if self._data else None}),
            "store": self._store, "encrypted": self._encrypted,
            "overlap": self.overlap, "page_blocks": page_blocks, "pages": len(cases), "rounds": rounds,
            "marked": marked, "baseline_ms": _BASELINE_MS,
        }  # fmt: skip
        files = {f"{FOLDER}/profile.bin": plans, f"{FOLDER}/profile.json": json.dumps(job).encode()}
        if isinstance(self._data, bytes):
            files[f"{FOLDER}/data.tds"] = self._data
        sync.sync(self.board, files)
        self._arena_bytes, self._largest = arena_bytes, max(cases, key=lambda case: case.arena_bytes).name
        self.board.soft_reset()

    def _follow(self, count: int) -> np.ndarray:
        """Runs the job and returns the `count` times that it tells."""
        times = np.zeros(count)
        told = 0
        code = _CODE.format(path=f"{FOLDER}/profile.json", arena_bytes=self._arena_bytes, block=BLOCK if self.overlap else "")
        try:
            for event in self.board.run(code, silence_s=120.0):
                if event["event"] == "error":
                    raise BoardError(f"the board reports: {event['text']}", hint=f"kind {event['kind']}")
                self.card_hz = event.get("card_hz", self.card_hz)
                if event["event"] == "times":
                    times[event["first"] : event["first"] + len(event["us"])] = event["us"]
                    told += len(event["us"])
        except ProgramError as error:
            if error.kind != "MemoryError":
                raise
            raise self._too_large() from error
        if told != count:
            raise BoardError(f"the board told {told} times of {count}", hint="; ".join(list(self.board.output)[-3:]))
        return times
