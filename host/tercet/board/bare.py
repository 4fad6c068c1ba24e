# SPDX-License-Identifier: Apache-2.0
"""Runs a bare image, one without an interpreter, on a fresh board and reads the tagged lines of its console."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tercet.board import virtual
from tercet.board.link import Link
from tercet.errors import BoardError

TAG = b"@tercet "


def run(image: Path, *, ram_kb: int = 256, cycle_model: str = "zero", silence_s: float = 60.0) -> Iterator[dict[str, Any]]:
    """Yields the objects that the image prints, up to the one with `end`.

    It runs on a virtual board of its own with `ram_kb` of RAM. `cycle_model`: what the core's cycle counter counts,
    cycles at `zero` wait states, in the `full` model, or `instructions`. Raises BoardError after `silence_s` seconds
    without a line, or when the image reports a fault.
    """
    options = ("--ram-kb", str(ram_kb), "--cycle-model", cycle_model)
    with tempfile.TemporaryDirectory(prefix="tercet-bare-") as folder:
        name = f"bare-{os.getpid()}-{cycle_model}"
        board = virtual.start(name, image=image, pace="max", state=Path(folder), options=options)
        try:
            yield from _objects(board.serial, silence_s)
        finally:
            virtual.stop(name)


def _objects(port: str, silence_s: float) -> Iterator[dict[str, Any]]:
    link = Link(port)
    try:
        while True:
            line = link.read_until(b"\n", silence_s)
            if not line.endswith(b"\n"):
                raise BoardError(f"the image printed nothing for {silence_s:g} s")
            if not line.startswith(TAG):
                continue
            found = json.loads(line[len(TAG) :])
            if found.get("fault"):
                raise BoardError("the image ended in a fault")
            if found.get("end"):
                return
            yield found
    finally:
        link.close()
