# SPDX-License-Identifier: Apache-2.0
"""A file that the board writes onto the card: its blocks first, then the label that makes it valid."""

import struct

from tercet_device.errors import DeviceError
from tercet_device.places import label_block
from tercet_device.store import BLOCK_BYTES

_PIECE_BYTES = 4 * BLOCK_BYTES


class CardFile:
    """The file that `place`, [bytes, CRC-32, block], names, written from its beginning to its end.

    Its last four bytes are the CRC-32 of what stands before, as those of a weights file are: they become a part of the label. A
    write that power interrupts leaves no label. Raises DeviceError("card_full") where the card's region ends before the file.
    """

    def __init__(self, card, place):
        self._card, self._nbytes = card, place[0]
        self._label = label_block(card, place)
        if self._label is None:
            raise DeviceError("card_full", "the card has no room for a file of %d bytes at block %d" % (place[0], place[2]))
        self._at = self._label + 1
        self._buffer = memoryview(bytearray(_PIECE_BYTES))
        self._filled = self._written = 0

    def __enter__(self):
        self._put(self._label, 0)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self._finish()

    def write(self, data):
        """Takes all of `data` and returns its length."""
        view, done = memoryview(data), 0
        while done < len(view):
            part = min(len(view) - done, _PIECE_BYTES - self._filled)
            self._buffer[self._filled : self._filled + part] = view[done : done + part]
            done, self._filled = done + part, self._filled + part
            if self._filled == _PIECE_BYTES:
                self._put(self._at, _PIECE_BYTES)
                self._at += _PIECE_BYTES // BLOCK_BYTES
        self._written += done
        if self._written > self._nbytes - 4:
            # the last four bytes come in one piece
            self._crc = bytes(view[-4:])
        return done

    def _finish(self):
        if self._written != self._nbytes:
            raise DeviceError("weights", "%d bytes were written to the card, not %d" % (self._written, self._nbytes))
        if self._filled:
            self._put(self._at, self._filled)
        head = b"TDSC" + struct.pack("<I", self._nbytes) + self._crc
        self._buffer[: len(head)] = head
        self._put(self._label, len(head))

    def _put(self, block, count):
        """Writes the first `count` bytes of the buffer, filled up with zeros to whole blocks, and begins a new one."""
        whole = max(1, -(-count // BLOCK_BYTES)) * BLOCK_BYTES
        for i in range(count, whole):
            self._buffer[i] = 0
        self._card.writeblocks(block, self._buffer[:whole])
        self._filled = 0
