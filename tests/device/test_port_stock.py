# SPDX-License-Identifier: Apache-2.0
"""The `stock` variant stands in for a common MicroPython image: less of everything."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import board_process
import pytest
from board_process import VirtualBoard

CODE = """
import sys, time, os, vfs, gc
gc.collect()
read = time.ticks_us
gaps = {-time.ticks_diff(read(), read()) for _ in range(300)}
size, _, blocks = os.statvfs('/')[:3]
print(hasattr(vfs, 'VfsFat'), hasattr(vfs, 'VfsLfs2'), size * blocks, sorted(gaps), sys.implementation._mpy)
try:
    import asyncio
    print('frozen')
except ImportError:
    print('nothing frozen')
"""


@pytest.fixture(scope="module")
def stock_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    """A board with the variant, which is built when it is not there."""
    subprocess.run(["make", "-s", "-C", board_process.ROOT / "firmware", "nrf52840", "VARIANT=stock"], check=True)
    image = board_process.FIRMWARE / "nrf52840-stock" / "firmware.hex"
    board = board_process.start(tmp_path_factory.mktemp("stock"), "--image", image, "--pace", "max")
    yield board
    board.stop()


def test_offers_what_a_common_image_offers(stock_board: VirtualBoard) -> None:
    first, second = stock_board.mpremote("exec", CODE).splitlines()
    assert first == "False True 65536 [0, 30, 31] 7942"
    assert second == "nothing frozen"


def test_takes_files(stock_board: VirtualBoard) -> None:
    stock_board.mpremote("exec", "open('a.txt', 'w').write('a' * 5000)")
    assert "5000 a.txt" in stock_board.mpremote("fs", "ls")


def test_library_runs_from_the_read_only_file_system(stock_board: VirtualBoard, tmp_path: Path) -> None:
    """An unmodified `mpremote romfs deploy` puts the library where it takes no file system space and no RAM for its code."""
    (tmp_path / "lib" / "tercet_device").mkdir(parents=True)
    for path in (board_process.ROOT / "device_lib" / "tercet_device").glob("*.py"):
        (tmp_path / "lib" / "tercet_device" / path.name).write_bytes(path.read_bytes())
    stock_board.mpremote("romfs", "deploy", tmp_path, timeout_s=120)
    code = "import gc; from tercet_device import plan, pager; gc.collect(); print(plan.__file__, gc.mem_free())"
    name, free = stock_board.mpremote("soft-reset", "exec", code).split()
    assert name == "/rom/lib/tercet_device/plan.mpy"
    assert int(free) > 220_000
