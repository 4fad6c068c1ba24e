# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several folders share: firmware images and virtual boards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "device"))

import board_process


def pytest_addoption(parser: pytest.Parser) -> None:
    """Proofs that take minutes run for a part of their size in the suite and whole by their own make targets."""
    parser.addoption("--whole", action="store_true", help="the whole size of proofs that the suite runs for a part")


def firmware_image(variant: str = "") -> Path:
    """The port's image; skips the test when it has not been built."""
    image = board_process.FIRMWARE / f"nrf52840{variant}" / "firmware.hex"
    if not image.exists():
        pytest.skip(f"{image} is not built: make firmware")
    return image


@pytest.fixture
def start_virtual_board(tmp_path: Path) -> Iterator[Callable[..., board_process.VirtualBoard]]:
    """`start_virtual_board(*options, state=None, variant="")` -> a VirtualBoard with our firmware, running freely."""
    running: list[board_process.VirtualBoard] = []

    def start(*options: str | Path, state: Path | None = None, variant: str = "") -> board_process.VirtualBoard:
        folder = state or tmp_path / f"board-{len(running)}"
        defaults = ["--image", firmware_image(variant), "--pace", "max"]
        board = board_process.start(folder, *defaults, *options, name=f"test-{len(running)}")
        running.append(board)
        return board

    yield start
    for board in running:
        board.stop()


@pytest.fixture(scope="module")
def virtual_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[board_process.VirtualBoard]:
    """One board for the tests of a file, with our firmware, an empty file system and an empty card of 64 MB."""
    folder = tmp_path_factory.mktemp("board")
    board = board_process.start(folder, "--image", firmware_image(), "--pace", "max", "--sd", folder / "card.img")
    yield board
    board.stop()
