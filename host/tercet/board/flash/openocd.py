# SPDX-License-Identifier: Apache-2.0
"""SWD through OpenOCD, which speaks to the J-Link of a DK without SEGGER's library."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from intelhex import IntelHex

from tercet.board.bench import Bench
from tercet.board.flash import tool
from tercet.board.flash.base import Job
from tercet.targets import Target

_DEADLINE_S = 120.0
_LOCKED = ("APPROTECT", "AP lock", "protected")


def obstacle(bench: Bench, target: Target) -> str:
    """OpenOCD and its configuration for the target."""
    if bench.probe.startswith("remote:"):
        return "OpenOCD does not speak to remote probes"
    if not target.openocd_config:
        return "the target file names no OpenOCD configuration"
    return "" if tool.find("openocd") else "openocd is not installed (Debian: apt install openocd)"


def flash(job: Job) -> bool:
    """See `Strategy.flash`. OpenOCD compares sectors itself and verifies."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.hex"
        file = IntelHex()
        for address, data in job.image.segments:
            file.frombytes(data, address)
        file.write_hex_file(str(path))
        job.progress("writing", 0.0)
        tool.run(_command(job, path), job.bench.name, _DEADLINE_S)
    job.progress("writing", 1.0)
    return True


def _command(job: Job, path: Path) -> list[str]:
    """`-f` before each configuration file, `-c` statements as they are, the probe's serial number, the work."""
    words = [tool.find("openocd")]
    parts = shlex.split(job.target.openocd_config)
    while parts:
        part = parts.pop(0)
        words += ["-c", parts.pop(0)] if part == "-c" else ["-f", part]
    if job.bench.probe:
        words += ["-c", f"adapter serial {job.bench.probe}"]
    words += ["-c", "init"]
    if job.unlock:
        words += ["-c", "nrf52_recover"]
    return [*words, "-c", f"program {{{path}}} verify reset exit"]
