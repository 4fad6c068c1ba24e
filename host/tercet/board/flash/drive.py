# SPDX-License-Identifier: Apache-2.0
"""Drives that a bootloader or a debugger shows, and copying onto one that vanishes when it has got everything."""

from __future__ import annotations

import os
import string
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tercet.errors import BoardError

_PART_BYTES = 32_768


def mounted() -> list[Path]:
    """The places where removable drives are mounted."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in string.ascii_uppercase if os.path.exists(f"{letter}:/")]
    roots = [Path("/Volumes"), Path("/media"), Path("/run/media"), Path("/mnt")]
    return [path for root in roots if root.is_dir() for pattern in ("*", "*/*") for path in root.glob(pattern) if path.is_dir()]


def find(matches: Callable[[Path], bool], given: str = "", deadline_s: float = 0.0) -> Path | None:
    """The drive for which `matches`, the one at `given` or any; waits for it until the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        for path in [Path(given)] if given else mounted():
            try:
                if path.is_dir() and matches(path):
                    return path
            except OSError:
                continue  # a drive that is just going away
        if time.monotonic() >= end:
            return None
        time.sleep(0.1)


def copy(data: bytes, drive: Path, name: str, progress: Callable[[str, float], None]) -> None:
    """Writes a file onto a drive. The drive may vanish at the end of the last byte: that is how it says that it is content.

    Raises BoardError when it vanishes earlier.
    """
    written = 0
    try:
        with open(drive / name, "wb", buffering=0) as stream:
            while written < len(data):
                written += stream.write(data[written : written + _PART_BYTES]) or 0
                progress("writing", written / len(data))
            os.fsync(stream.fileno())
    except OSError as error:
        if written < len(data):
            text = f"the drive {drive} went away after {written} of {len(data)} bytes: {error}"
            raise BoardError(text, hint="flash again") from error


def wait_gone(drive: Path, marker: str, deadline_s: float) -> bool:
    """Whether the drive, or the file `marker` on it, goes away by the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if not (drive / marker).exists():
            return True
        time.sleep(0.1)
    return False
