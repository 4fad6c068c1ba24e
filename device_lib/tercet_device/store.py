# SPDX-License-Identifier: Apache-2.0
"""Where pages go: a run of blocks of a card or of another block device."""

import struct

from tercet_device.errors import DeviceError

BLOCK_BYTES = 512
# MBR partition type "non-filesystem data": the partition that `tercet card prepare` makes.
PARTITION_TYPE = 0xDA
_FIRST_BLOCK = 2048
# What a new partition gets at least, where the card has it: 16 MiB.
_ROOMY_BLOCKS = 32768
# Pages take the partition's first 8 MiB; a data set too large for the board's flash begins behind them.
DATA_BLOCK = 16384
# how much of a file on the card is kept in RAM: a row of MNIST in one transfer
_KEPT_BLOCKS = 3


def find_partition(card):
    """(first block, blocks) of the page partition, or None when the card has none."""
    block = bytearray(BLOCK_BYTES)
    card.readblocks(0, block)
    if block[510:512] != b"\x55\xaa":
        return None
    for entry in range(446, 510, 16):
        kind = block[entry + 4]
        first, count = struct.unpack_from("<II", block, entry + 8)
        if kind == PARTITION_TYPE and count:
            return first, count
    return None


def prepare(card, blocks, force=False):
    """Makes a page partition of at least `blocks` blocks on an empty card and returns (first block, blocks).

    Raises DeviceError("card_foreign") when block 0 holds anything and `force` is not set, DeviceError("card_full") when
    the card is smaller.
    """
    found = find_partition(card)
    if found and found[1] >= blocks and not force:
        return found
    block = bytearray(BLOCK_BYTES)
    card.readblocks(0, block)
    # a card whose only partition is ours may be divided anew: pages are of no worth after their run
    ours = found and found[0] == _FIRST_BLOCK and not any(block[:446]) and not any(block[462:510])
    if any(block) and not ours and not force:
        raise DeviceError("card_foreign", "the card holds data and no page partition of %d blocks" % blocks)
    size = card.ioctl(4, 0) - _FIRST_BLOCK
    if blocks > size:
        raise DeviceError("card_full", "%d blocks of pages do not fit the card's %d" % (blocks, card.ioctl(4, 0)))
    blocks = max(blocks, min(_ROOMY_BLOCKS, size))
    block = bytearray(BLOCK_BYTES)
    block[446:454] = bytes((0, 0xFE, 0xFF, 0xFF, PARTITION_TYPE, 0xFE, 0xFF, 0xFF))
    struct.pack_into("<II", block, 454, _FIRST_BLOCK, blocks)
    block[510:512] = b"\x55\xaa"
    card.writeblocks(0, block)
    return _FIRST_BLOCK, blocks


class BlockStore:
    """Pages in `blocks` blocks of a block device from block `first` on."""

    def __init__(self, device, first, blocks):
        self.device, self.first, self.blocks = device, first, blocks

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
        self._buffer = bytearray(_KEPT_BLOCKS * BLOCK_BYTES)
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
        view, done = memoryview(buffer), 0
        while done < size:
            block = self._at // BLOCK_BYTES
            if not self._from <= block < self._to:
                self._fill(block, -(-(self._at + size - done) // BLOCK_BYTES) - block)
            begin = self._at - self._from * BLOCK_BYTES
            part = min(size - done, self._to * BLOCK_BYTES - self._at)
            view[done : done + part] = memoryview(self._buffer)[begin : begin + part]
            done += part
            self._at += part
        return size

    def _fill(self, block, count):
        """Keeps `count` blocks, as many as the buffer may hold."""
        count = min(count, _KEPT_BLOCKS)
        self._to = self._from
        self._device.readblocks(self._first + block, memoryview(self._buffer)[: count * BLOCK_BYTES])
        self._from, self._to = block, block + count
