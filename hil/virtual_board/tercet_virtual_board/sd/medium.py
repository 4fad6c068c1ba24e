# SPDX-License-Identifier: GPL-2.0-or-later
"""What a card remembers: blocks in a sparse image file, and how often each region was written."""

import os
from collections import Counter
from pathlib import Path

BLOCK_BYTES = 512
REGION_BLOCKS = 8192  # 4 MB, a usual allocation unit


class Medium:
    """Blocks of 512 bytes in an image file, which is created (sparse) when missing.

    `wear` counts blocks written by 4 MB region. Raises OSError when the file cannot be opened, ValueError when it is
    not a whole number of 512 KB (a card's capacity is).
    """

    def __init__(self, path: Path, new_mb: int = 64):
        self.path = path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(new_mb << 20)
        self._fd = os.open(path, os.O_RDWR)
        size = os.fstat(self._fd).st_size
        if not size or size % (512 << 10):
            os.close(self._fd)
            raise ValueError(f"{path}: {size} bytes; a card image is a whole number of 512 KB")
        self.blocks = size // BLOCK_BYTES
        self.wear: Counter[int] = Counter()

    def read(self, block: int) -> bytes:
        """The 512 bytes of a block."""
        return os.pread(self._fd, BLOCK_BYTES, block * BLOCK_BYTES)

    def write(self, block: int, data: bytes) -> None:
        """Writes one block of 512 bytes."""
        self.wear[block // REGION_BLOCKS] += 1
        os.pwrite(self._fd, data, block * BLOCK_BYTES)

    def erase(self, first: int, last: int) -> None:
        """Erases blocks first..last to 0x00, as the SCR's DATA_STAT_AFTER_ERASE says."""
        for block in range(first, last + 1):
            os.pwrite(self._fd, bytes(BLOCK_BYTES), block * BLOCK_BYTES)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)
