# SPDX-License-Identifier: Apache-2.0
"""Flashing a board: preflight, the way that works, and the proof that the firmware runs."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.board.flash import image as images
from tercet.board.flash.image import Image
from tercet.errors import BoardError, InputError, SetupError
from tercet.targets import Target

Progress = Callable[[str, float], None]
STRATEGIES = {
    "pyocd": "pyocd", "openocd": "openocd", "jlink-drive": "jlink_drive", "uf2": "uf2", "serial-dfu": "serial_dfu",
}  # fmt: skip
_REPL_S = 20.0


@dataclass(frozen=True)
class Job:
    """What a strategy gets.

    `unlock` allows the mass erase of a locked chip; `force` writes even what is there already.
    """

    bench: Bench
    target: Target
    image: Image
    progress: Progress
    unlock: bool = False
    force: bool = False


class Strategy(Protocol):
    """A way to flash: a module with these two functions."""

    def obstacle(self, bench: Bench, target: Target) -> str:
        """Why it cannot work here and now, "" when it can."""

    def flash(self, job: Job) -> bool:
        """Writes the image; returns whether anything had to be written. Raises BoardError, can always be run again."""


def strategy(name: str) -> Strategy:
    """The strategy of that name; raises InputError when there is none."""
    if name not in STRATEGIES:
        raise InputError(f"no way to flash is called {name!r}", hint=", ".join(STRATEGIES))
    module: Any = importlib.import_module(f"tercet.board.flash.{STRATEGIES[name]}")
    return module


def choose(bench: Bench, target: Target) -> str:
    """The first of the target's strategies that has no obstacle; raises SetupError that names all obstacles."""
    obstacles = []
    for name in target.strategies:
        reason = strategy(name).obstacle(bench, target)
        if not reason:
            return name
        obstacles.append(f"{name}: {reason}")
    raise SetupError(f"no way to flash {target.title} works here: {'; '.join(obstacles)}")


def flash(
    bench: Bench, target: Target, image_file: Path, *, how: str | None = None, unlock: bool = False, force: bool = False,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """Brings the image onto the board and proves that it runs.

    Returns `{"board","image_sha256","bytes","strategy","written","machine","version"}`. Raises InputError when the image is
    not for this board, SetupError or BoardError otherwise; it can be run again after any failure.
    """
    image = images.read(image_file, base=target.application.start)
    images.preflight(image, target)
    name = how or choose(bench, target)
    if reason := strategy(name).obstacle(bench, target):
        raise SetupError(f"{name} cannot flash {bench.name}: {reason}")
    written = strategy(name).flash(Job(bench, target, image, progress, unlock, force))
    identity = verify(bench, target)
    return {
        "board": bench.name, "image_sha256": image.sha256, "bytes": image.nbytes, "strategy": name, "written": written,
        "machine": identity["machine"], "version": identity["version"],
    }  # fmt: skip


def verify(bench: Bench, target: Target, deadline_s: float = _REPL_S) -> dict[str, Any]:
    """The board's identity, as soon as its prompt answers; ports may come and go until then.

    Raises BoardError when none answers by the deadline, or the board says that it is another one.
    """
    end = time.monotonic() + deadline_s
    while True:
        try:
            with Board(bench.serial, baudrate=bench.baudrate) as board:
                identity = board.identity()
            break
        except BoardError as error:
            if time.monotonic() > end:
                raise BoardError(
                    f"{bench.name}: the firmware was written but no prompt answers: {error.message}",
                    hint="flash again; is it a MicroPython image?",
                ) from error
            time.sleep(0.2)
    if target.machine not in identity["machine"]:
        raise BoardError(f"{bench.name}: the board says {identity['machine']!r}, {target.machine!r} was expected")
    return identity
