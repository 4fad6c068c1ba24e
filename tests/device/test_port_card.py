# SPDX-License-Identifier: Apache-2.0
"""File systems on an SD card, on the virtual board, with the library's own driver."""

from __future__ import annotations

from pathlib import Path

import board_process
import pytest
from board_process import VirtualBoard

KERNELS = board_process.FIRMWARE / "natmod" / "armv7emsp" / "mlp" / "tercet_kernels.mpy"
LIBRARY = board_process.ROOT / "device_lib" / "tercet_device"
OPEN = """
import machine, os, vfs, tercet_kernels
from tercet_device.sd import SDCard
card = SDCard(machine.SPI(3), machine.Pin(44), tercet_kernels)
"""
FORMAT = """
kind = vfs.{kind}
kind.mkfs(card)
vfs.mount(kind(card), '/sd')
pattern = bytes(range(256)) * 64
with open('/sd/data.bin', 'wb') as file: file.write(pattern)
os.mkdir('/sd/folder')
vfs.umount('/sd')
"""
READ = """
vfs.mount(vfs.{kind}(card), '/sd')
print(sorted(os.listdir('/sd')), open('/sd/data.bin', 'rb').read() == bytes(range(256)) * 64, card.blocks)
vfs.umount('/sd')
"""


@pytest.fixture(scope="module")
def board_with_driver(virtual_board: VirtualBoard) -> VirtualBoard:
    """The board with driver and kernels in its flash."""
    if not KERNELS.exists():
        pytest.skip(f"{KERNELS} is not built: make kernels")
    virtual_board.mpremote("fs", "mkdir", "tercet_device")
    files: list[str | Path] = [LIBRARY / name for name in ("sd.py", "card.py", "errors.py")]
    virtual_board.mpremote("fs", "cp", *files, ":tercet_device/", "+", "fs", "cp", KERNELS, ":")
    return virtual_board


@pytest.mark.parametrize("kind", ["VfsFat", "VfsLfs2"])
def test_keeps_files_across_a_reset(board_with_driver: VirtualBoard, kind: str) -> None:
    board_with_driver.mpremote("exec", OPEN + FORMAT.format(kind=kind), timeout_s=120)
    seen = board_with_driver.mpremote("soft-reset", "exec", OPEN + READ.format(kind=kind)).strip()
    assert seen.endswith(f"['data.bin', 'folder'] True {64 * 2048}")


def test_fat_is_what_the_host_reads(board_with_driver: VirtualBoard) -> None:
    board_with_driver.mpremote("exec", OPEN + FORMAT.format(kind="VfsFat"), timeout_s=120)
    assert board_with_driver.sd
    image = Path(board_with_driver.sd).read_bytes()
    assert image[510:512] == b"\x55\xaa" and b"FAT" in image[:512]
    assert bytes(range(256)) * 64 in image
