# SPDX-License-Identifier: GPL-2.0-or-later
"""The distribution and the helpers beside the tests are importable; boards and small programs are fixtures."""

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import board_process  # noqa: E402


@pytest.fixture
def start_board(tmp_path):
    """`start_board("--image", FILE, "--pace", "max", ...)` -> BoardProcess with `.serial .meter .probe .sd`."""
    running: list[board_process.BoardProcess] = []

    def start(*options: object) -> board_process.BoardProcess:
        number = len(running)
        board = board_process.start(tmp_path / f"board-{number}", *map(str, options), name=f"test-{number}")
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
