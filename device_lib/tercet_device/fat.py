# SPDX-License-Identifier: Apache-2.0
"""The page file in the root of a FAT16 or FAT32 card, and the proof that the blocks from its first to its last are its own.

Source: Microsoft FAT32 File System Specification, 1.03. Only read here: a filesystem is written by its own driver.
"""

import struct
from array import array

from tercet_device.errors import DeviceError

BLOCK_BYTES = 512
NAME = "TERCET.PAG"
_ENTRY = b"TERCET  PAG"
_ENTRY_BYTES = 32
# a root directory of FAT32 has so many blocks at most: 65,536 entries
_ROOT_BLOCKS = 4096
_PART = 16


def find(card):
    """(first block, blocks) of the page file; None when the card has none.

    Raises DeviceError("card_file") for exFAT and FAT12, for a damaged volume, and for a file that is not contiguous.
    """
    block = bytearray(BLOCK_BYTES)
    card.readblocks(0, block)
    volume = _volume(card, block)
    if volume is None:
        return None
    entry = volume.entry()
    return entry and volume.extent(*entry)


def _refuse(text):
    raise DeviceError("card_file", text)


def _volume(card, block):
    """The first FAT volume, without partitions or in one; what a FAT driver takes as well. None when there is none."""
    starts = [(0, card.ioctl(4, 0))]
    if not _is_fat(block):
        for entry in range(446, 510, 16):
            first, count = struct.unpack_from("<II", block, entry + 8)
            if block[entry + 4] and count:
                starts.append((first, count))
    exfat = False
    for first, count in starts:
        if first:
            card.readblocks(first, block)
        exfat = exfat or block[3:8] == b"EXFAT"
        if _is_fat(block):
            return Volume(card, block, first, count)
    if exfat:
        _refuse("the card is formatted as exFAT; a page file needs FAT16 or FAT32")


def _is_fat(block):
    return block[510:512] == b"\x55\xaa" and block[0] in (0xEB, 0xE9) and (block[54:57] == b"FAT" or block[82:85] == b"FAT")


class Volume:
    """A FAT volume of `count` blocks from block `first` on, by its boot sector in `block`, a buffer that it goes on to use."""

    def __init__(self, card, block, first, count):
        self._card, self._block, self._held = card, block, None
        sector, self._per, reserved, fats, roots, small = struct.unpack_from("<HBHBHH", block, 11)
        fat_blocks = struct.unpack_from("<H", block, 22)[0]
        total, large, flags = struct.unpack_from("<IIH", block, 32)
        total, self._wide = small or total, not fat_blocks
        fat_blocks = fat_blocks or large
        root_blocks = -(-roots * _ENTRY_BYTES // BLOCK_BYTES)
        if sector != BLOCK_BYTES or not self._per or not reserved or not fats or not fat_blocks or total > count:
            _refuse("the card's FAT volume has sectors of %d bytes, or is damaged" % sector)
        # without mirrors only one of the tables is in use
        active = flags & 15 if self._wide and flags & 0x80 else 0
        self._fat = first + reserved + active * fat_blocks
        root = first + reserved + fats * fat_blocks
        self._data = root + root_blocks
        self._end = 2 + (first + total - self._data) // self._per
        if self._end - 2 < 4085:
            _refuse("the card is formatted as FAT12; a page file needs FAT16 or FAT32")
        if active >= fats or self._end > fat_blocks * BLOCK_BYTES // (4 if self._wide else 2):
            _refuse("the card's FAT volume is damaged: its table is too small")
        if first + total > card.ioctl(4, 0):
            _refuse("the card's FAT volume is larger than the card")
        self._root = struct.unpack_from("<I", block, 44)[0] if self._wide else root, root_blocks

    def _read(self, block):
        if self._held != block:
            self._held = None
            self._card.readblocks(block, self._block)
            self._held = block
        return self._block

    def _next(self, cluster):
        """The table's entry of a cluster."""
        if self._wide:
            block = self._read(self._fat + cluster // 128)
            return struct.unpack_from("<I", block, cluster % 128 * 4)[0] & 0x0FFFFFFF
        return struct.unpack_from("<H", self._read(self._fat + cluster // 256), cluster % 256 * 2)[0]

    def _root_blocks(self):
        """The blocks of the root directory."""
        first, count = self._root
        if not self._wide:
            for block in range(first, first + count):
                yield block
        passed = 0
        while self._wide and 2 <= first < self._end and passed < _ROOT_BLOCKS:
            for block in range(self._per):
                yield self._data + (first - 2) * self._per + block
            passed += self._per
            first = self._next(first)

    def entry(self):
        """(first cluster, bytes) of the page file; None when the root has none."""
        for number in self._root_blocks():
            for at in range(0, BLOCK_BYTES, _ENTRY_BYTES):
                block = self._read(number)
                if not block[at]:
                    return None
                # neither a part of a long name nor the volume's label
                if block[at : at + 11] == _ENTRY and not block[at + 11] & 8:
                    if block[at + 11] & 0x10:
                        _refuse("%s on the card is a folder" % NAME)
                    high, _, _, low, nbytes = struct.unpack_from("<HHHHI", block, at + 20)
                    return (high << 16 if self._wide else 0) | low, nbytes

    def extent(self, first, nbytes):
        """(first block, blocks) of a file whose clusters follow one another from the first to the last; refuses any other."""
        blocks = nbytes // BLOCK_BYTES
        count = -(-nbytes // (self._per * BLOCK_BYTES))
        if not blocks:
            _refuse("%s on the card is empty" % NAME)
        if first < 2 or first + count > self._end:
            _refuse("%s on the card leaves the volume's data area" % NAME)
        cluster, last = first, first + count - 1
        while cluster < last:
            # some at once, but there may be little memory
            part = min(last - cluster, _PART - cluster % _PART)
            expected = bytes(array("I" if self._wide else "H", range(cluster + 1, cluster + 1 + part)))
            self._next(cluster)
            at = cluster % 128 * 4 if self._wide else cluster % 256 * 2
            if self._block[at : at + len(expected)] != expected:
                for i in range(cluster, cluster + part):
                    self._follows(first, i)
            cluster += part
        if self._next(last) < (0x0FFFFFF8 if self._wide else 0xFFF8):
            _refuse("%s on the card: the chain of its clusters does not end where its size says" % NAME)
        return self._data + (first - 2) * self._per, blocks

    def _follows(self, first, cluster):
        """Refuses the file unless the next cluster of its chain is the next one on the card."""
        found, bad = self._next(cluster), 0x0FFFFFF7 if self._wide else 0xFFF7
        if found == cluster + 1:
            return
        if found < 2 or found == bad:
            text = "runs into a %s cluster" % ("bad" if found == bad else "free")
        elif found > bad:
            text = "is shorter than its size"
        elif found >= self._end:
            text = "leaves the volume's data area"
        elif first <= found <= cluster:
            text = "runs in a circle"
        else:
            text = "is fragmented"
        _refuse("%s on the card: the chain of its clusters %s" % (NAME, text))
