# SPDX-License-Identifier: Apache-2.0
"""A copy onto the drive of a UF2 bootloader (Adafruit's on XIAO, Feather and their like)."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.board.flash import drive
from tercet.board.flash.base import Job
from tercet.board.flash.image import to_uf2
from tercet.errors import BoardError, InputError
from tercet.targets import Target

_INFO = "INFO_UF2.TXT"
_DRIVE_S = 15.0


def obstacle(bench: Bench, target: Target) -> str:
    """It needs a bootloader with a drive; whether that appears shows only when the board is asked for it."""
    del bench
    return "" if target.uf2 else "the board has no UF2 bootloader"


def read_info(place: Path) -> dict[str, str]:
    """What the bootloader says of itself:

    `Model`, `Board-ID`, `SoftDevice`, ... in lower case keys; `bootloader` is its version.
    """
    lines = (place / _INFO).read_text(encoding="ascii", errors="replace").splitlines()
    info = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}
    if match := re.match(r"UF2 Bootloader (\S+)", lines[0] if lines else ""):
        info["bootloader"] = match[1]
    return info


def check(info: dict[str, str], target: Target) -> None:
    """Raises InputError when bootloader or SoftDevice are not those of the target: the image would not start."""
    boards = target.uf2.get("board_id", [])
    if not any(info.get("board-id", "").startswith(board) for board in boards):
        found = info.get("board-id", "an unnamed board")
        raise InputError(f"the drive belongs to {found}, not to {target.title} ({', '.join(boards)})")
    wanted = target.uf2.get("softdevice", "")
    found = info.get("softdevice", "")
    if wanted and wanted.replace(" ", "").lower() != found.replace(" ", "").lower():
        raise InputError(
            f"the board has SoftDevice {found or 'none'}, images for {target.title} expect {wanted}",
            hint="update bootloader and SoftDevice with the vendor's package",
        )


def flash(job: Job) -> bool:
    """See `Strategy.flash`. Asks the running firmware for its bootloader when the drive is not there yet."""
    place = drive.find(_has_info, job.bench.uf2_drive)
    if place is None:
        _enter_bootloader(job.bench)
        place = drive.find(_has_info, job.bench.uf2_drive, _DRIVE_S)
    if place is None:
        raise BoardError(f"{job.bench.name}: no bootloader drive appears", hint="press the reset button twice, then flash again")
    check(read_info(place), job.target)
    drive.copy(to_uf2(job.image, job.target.uf2["family"]), place, "firmware.uf2", job.progress)
    if not drive.wait_gone(place, _INFO, _DRIVE_S):
        raise BoardError(f"{job.bench.name}: the bootloader keeps its drive: it did not take the image", hint="flash again")
    return True


def _has_info(place: Path) -> bool:
    return (place / _INFO).is_file()


def _enter_bootloader(bench: Bench) -> None:
    """machine.bootloader(): the port goes away in the middle of it."""
    with contextlib.suppress(BoardError), Board(bench.serial) as board:
        board.exec("import machine\nmachine.bootloader()", silence_s=2)
