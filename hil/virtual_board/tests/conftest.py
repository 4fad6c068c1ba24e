# SPDX-License-Identifier: GPL-2.0-or-later
"""Board processes and small programs for the tests; a board lives as long as the test that started it."""

import json
import pathlib
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
_START_TIMEOUT_S = 60


@dataclass
class BoardProcess:
    """A running board, as its one line of output describes it."""

    process: subprocess.Popen
    wires: dict = field(default_factory=dict)

    def __getattr__(self, wire: str):
        return self.wires[wire]

    def stop(self) -> None:
        """Ask it to end; it must obey."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.process.stderr.read()


def _start(state: pathlib.Path, *options: str, name: str = "board") -> BoardProcess:
    command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", name, "--state", str(state), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = ""
    if select.select([process.stdout], [], [], _START_TIMEOUT_S)[0]:
        line = process.stdout.readline()
    if not line:
        process.kill()
        pytest.fail(f"the board did not start: {process.stderr.read()}")
    return BoardProcess(process, json.loads(line))


@pytest.fixture
def start_board(tmp_path):
    """`start_board("--image", ..., ...)` -> BoardProcess with `.serial .meter .probe .sd`."""
    running: list[BoardProcess] = []

    def start(*options: str) -> BoardProcess:
        board = _start(tmp_path / f"board-{len(running)}", *map(str, options), name=f"test-{len(running)}")
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
