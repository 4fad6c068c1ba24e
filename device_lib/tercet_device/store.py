# SPDX-License-Identifier: Apache-2.0
"""Where pages go: a run of blocks of a card or of another block device."""

from tercet_device.errors import DeviceError

BLOCK_BYTES = 512
# Files begin 8 MiB behind the beginning of what is tercet's on a card; checkpoints lie before them.
DATA_BLOCK = 16384
# 64 KiB
PLACE_BLOCKS = 128
# how much of a file on the card is kept in RAM: a row of MNIST in one transfer
_KEPT_BLOCKS = 3


class BlockStore:
    """Pages in `blocks` blocks of a block device from block `first` on, or from one of `places` that are PLACE_BLOCKS apart."""

    def __init__(self, device, first, blocks, places=1):
        self.device, self.first, self.blocks = device, first, blocks
        self.low, self.places = first, places

    def write(self, block, data):
        self._check(block, data)
        self.device.writeblocks(self.first + block, data)

    def read(self, block, data):
        self._check(block, data)
        self.device.readblocks(self.first + block, data)

    def _check(self, block, data):
        if block + len(data) // BLOCK_BYTES > self.blocks:
            raise DeviceError("card_full", "page block %d is beyond the store's %d" % (block, self.blocks))


class BlockFile:
    """A run of `nbytes` from block `first` of a device on, read like a file: whole blocks, the last ones kept."""

    def __init__(self, device, first, nbytes):
        self._device, self._first, self._nbytes = device, first, nbytes
        # what only keeps pages needs no kernels
        from tercet_device.kernels import copy

        self._copy = copy
        # each view that a read leaves behind brings the next garbage collection closer
        self._buffer = memoryview(bytearray(_KEPT_BLOCKS * BLOCK_BYTES))
        self._from = self._to = self._at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def forget(self):
        """The next read comes from the device."""
        self._to = self._from

    def seek(self, offset, whence=0):
        self._at = self._nbytes + offset if whence == 2 else offset
        return self._at

    def read(self, nbytes):
        buffer = bytearray(max(0, min(nbytes, self._nbytes - self._at)))
        self.readinto(buffer)
        return buffer

    def readinto(self, buffer):
        size = max(0, min(len(buffer), self._nbytes - self._at))
        done = 0
        while done < size:
            block = self._at // BLOCK_BYTES
            if not self._from <= block < self._to:
                self._fill(block, -(-(self._at + size - done) // BLOCK_BYTES) - block)
            begin = self._at - self._from * BLOCK_BYTES
            part = min(size - done, self._to * BLOCK_BYTES - self._at)
            self._copy(buffer, done, self._buffer[begin : begin + part])
            done += part
            self._at += part
        return size

    def _fill(self, block, count):
        """Keeps `count` blocks, as many as the buffer may hold."""
        count = min(count, _KEPT_BLOCKS)
        self._to = self._from
        self._device.readblocks(self._first + block, self._buffer[: count * BLOCK_BYTES])
        self._from, self._to = block, block + count
