# SPDX-License-Identifier: Apache-2.0
"""Nothing has to be frozen: an unmodified mpremote installs the library, which trains on our port and on a common image."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import board_process
import pytest
from board_process import FIRMWARE, VirtualBoard
from small_job import job
from tercet.board.base import Board
from tercet.train import session
from tercet.train.job import Settings

LIBRARY = board_process.ROOT / "device_lib"
MODULES = FIRMWARE / "natmod" / "armv7emsp"
NATIVE = ("mlp/tercet_kernels.mpy", "card/tercet_card.mpy", "cipher/tercet_cipher.mpy")
WORK = job("frugal", {"name": "momentum", "rate": 0.1}, settings=Settings(20, checkpoint_every=8, baseline_ms=1))[2]


def test_the_package_names_every_file() -> None:
    package = json.loads((LIBRARY / "package.json").read_text())
    there = {f"tercet_device/{path.name}" for path in (LIBRARY / "tercet_device").glob("*.py")}
    assert {target for target, source in package["urls"] if target == source} == there, "make generate"


def train(board: VirtualBoard) -> dict[str, Any]:
    """What the board tells at its start and end; only the job comes from the kit."""
    with Board(board.serial) as at:
        session.send(at, WORK.files)
        result = session.run(at, WORK)
    return {**result.last("ready"), **result.last("done")}


@pytest.mark.board
@pytest.mark.timeout(300)
def test_mip_installs_it_on_our_port_and_a_common_image_runs_it_from_its_romfs(tmp_path: Path) -> None:
    """The common image's file system of 64 KB is too small for the files: mip fills a folder, which becomes its ROMFS."""
    subprocess.run(["make", "-s", "-C", board_process.ROOT / "firmware", "nrf52840", "VARIANT=stock"], check=True)
    ours = board_process.start(tmp_path / "ours", "--image", FIRMWARE / "nrf52840" / "firmware.hex", "--pace", "max")
    try:
        ours.mpremote("mip", "install", LIBRARY / "package.json", timeout_s=200)
        ours.mpremote("fs", "cp", *(MODULES / module for module in NATIVE), ":/lib/")
        installed = train(ours)
    finally:
        ours.stop()
    rom = tmp_path / "rom"
    (rom / "lib").mkdir(parents=True)
    for module in NATIVE:
        shutil.copy(MODULES / module, rom / "lib")
    # while it waits for the mounted folder's answers it polls, and gives up by its own clock: that must not outrun this machine
    stock = FIRMWARE / "nrf52840-stock" / "firmware.hex"
    common = board_process.start(tmp_path / "common", "--image", stock, "--pace", "realtime", "--line", "direct")
    try:
        common.mpremote("mount", rom, "mip", "install", "--target", "/remote/lib", LIBRARY / "package.json", timeout_s=200)
        common.mpremote("romfs", "deploy", rom, timeout_s=200)
        in_place = train(common)
    finally:
        common.stop()
    assert in_place["digest"] == installed["digest"]
    assert 0 < in_place["library_bytes"] < installed["library_bytes"] < 110_000
