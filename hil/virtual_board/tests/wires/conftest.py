# SPDX-License-Identifier: GPL-2.0-or-later
"""Boards as processes, with small programs or with our MicroPython; helpers beside the tests are importable."""

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import wired_board  # noqa: E402


@pytest.fixture
def start_board(tmp_path):
    """`start_board("--image", FILE, "--pace", "max", ...)` -> BoardProcess with `.serial .meter .probe .sd`."""
    running: list[wired_board.BoardProcess] = []

    def start(*options: object) -> wired_board.BoardProcess:
        number = len(running)
        board = wired_board.start(tmp_path / f"board-{number}", *map(str, options), name=f"test-{number}")
        running.append(board)
        return board

    yield start
    for board in running:
        if board.process.poll() is None:
            board.stop()


@pytest.fixture(scope="session")
def pulses_elf(tmp_path_factory) -> pathlib.Path:
    """The program images/pulses.c as an ELF file with debugging information."""
    elf = tmp_path_factory.mktemp("images") / "pulses.elf"
    images = HERE / "images"
    subprocess.run(["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Og", "-g", "-nostdlib", "-ffreestanding",
                    "-T", images / "image.ld", images / "pulses.c", "-o", elf], check=True)
    return elf


@pytest.fixture(scope="session")
def pulses_hex(pulses_elf) -> pathlib.Path:
    """The same program as an Intel HEX file."""
    image = pulses_elf.with_suffix(".hex")
    subprocess.run(["arm-none-eabi-objcopy", "-O", "ihex", pulses_elf, image], check=True)
    return image


def _firmware(suffix: str) -> pathlib.Path:
    """Our MicroPython for the nRF52840; built again only when its sources changed."""
    subprocess.run(["make", "--no-print-directory", "-C", ROOT / "firmware", "nrf52840"], check=True,
                   stdout=subprocess.DEVNULL)
    return ROOT / "build" / "firmware" / "nrf52840" / f"firmware.{suffix}"


@pytest.fixture(scope="session")
def firmware_elf() -> pathlib.Path:
    """The MicroPython port as an ELF file with symbols."""
    return _firmware("elf")


@pytest.fixture(scope="session")
def firmware_hex() -> pathlib.Path:
    """The MicroPython port as an Intel HEX file."""
    return _firmware("hex")
