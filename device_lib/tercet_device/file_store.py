# SPDX-License-Identifier: Apache-2.0
"""Pages in a file, for boards without a card."""

from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES


class FileStore:
    """Pages in a file of the board's own filesystem."""

    device = None

    def __init__(self, path, blocks):
        self.blocks = blocks
        self._file = open(path, "w+b")

    def write(self, block, data):
        if block + len(data) // BLOCK_BYTES > self.blocks:
            raise DeviceError("card_full", "page block %d is beyond the store's %d" % (block, self.blocks))
        self._file.seek(block * BLOCK_BYTES)
        if self._file.write(data) != len(data):
            raise DeviceError("card_full", "the page file took less than %d bytes" % len(data))
        self._file.flush()

    def read(self, block, data):
        self._file.seek(0)  # see data.py
        self._file.seek(block * BLOCK_BYTES)
        if self._file.readinto(data) != len(data):
            raise DeviceError("page", "page block %d was never written" % block)
