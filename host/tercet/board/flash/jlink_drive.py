# SPDX-License-Identifier: Apache-2.0
"""A copy onto the drive that the J-Link of an nRF52840-DK shows."""

from __future__ import annotations

from pathlib import Path

from tercet.board.bench import Bench
from tercet.board.flash import drive
from tercet.board.flash.base import Job
from tercet.errors import BoardError
from tercet.targets import Target

_FAILED = "FAIL.TXT"
_MARKS = ("MBED.HTM", "Segger.html", "SEGGER.HTM")


def _is_jlink(place: Path) -> bool:
    return place.name.upper().startswith("JLINK") or any((place / mark).exists() for mark in _MARKS)


def obstacle(bench: Bench, target: Target) -> str:
    """The drive must be mounted."""
    del target
    return "" if drive.find(_is_jlink, bench.uf2_drive) else "no JLINK drive is mounted"


def flash(job: Job) -> bool:
    """See `Strategy.flash`. The debugger flashes while it receives and tells failures in a file."""
    place = drive.find(_is_jlink, job.bench.uf2_drive)
    if place is None:
        raise BoardError(f"{job.bench.name}: no JLINK drive is mounted", hint="mount it, or use --how openocd")
    suffix = job.image.path.suffix.lower()
    if suffix not in (".hex", ".bin"):
        raise BoardError(f"{job.bench.name}: the JLINK drive takes .hex and .bin, not {suffix}", hint="give the .hex file")
    drive.copy(job.image.path.read_bytes(), place, f"firmware{suffix}", job.progress)
    if (place / _FAILED).exists():
        text = (place / _FAILED).read_text(errors="replace").strip()
        raise BoardError(f"{job.bench.name}: the debugger refused the image: {text}", hint="flash again")
    return True
