# SPDX-License-Identifier: Apache-2.0
"""Weights and optimizer state on the board, in the arena or on the card.

    "TWTS" | graph identity, 8 bytes | u32 bytes | tensors in the plan's order | CRC-32
"""

import binascii
import hashlib
import os
import struct

from tercet_device import _format as f
from tercet_device.errors import DeviceError

_HEADER_BYTES = 16


def read(stream, name, graph_id, views, kernels):
    """Reads a weights file into `views`; DeviceError("weights") when it is of another model, truncated or damaged."""
    head = stream.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or head[:4] != b"TWTS":
        raise DeviceError("weights", "%s: not a weights file" % name)
    if head[4:12] != graph_id:
        raise DeviceError("weights", "%s: of another model than the plan" % name)
    total, crc = struct.unpack_from("<I", head, 12)[0], kernels.crc32(head)
    for view in views:
        if stream.readinto(view) != len(view):
            raise DeviceError("weights", "%s: truncated" % name)
        crc = kernels.crc32(view, crc)
        total -= len(view)
    if total or stream.read(4) != struct.pack("<I", crc):
        raise DeviceError("weights", "%s: damaged" % name)


def passed(nbytes):
    """Pieces of a buffer that add up to `nbytes`: for what a reader has no use for."""
    buffer = memoryview(bytearray(min(nbytes, 256)))
    while nbytes:
        part = buffer[: min(nbytes, 256)]
        nbytes -= len(part)
        yield part


def identity(stream):
    """The last four bytes of a weights file, its CRC-32: they name its content."""
    stream.seek(-4, 2)
    return stream.read(4)


class Weights:
    """The weights of a plan, to be read and written between steps."""

    def __init__(self, plan, arena, pager, kernels):
        self._plan, self._arena, self._pager, self._kernels = plan, arena, pager, kernels
        self.nbytes = sum(nbytes for _, _, nbytes in plan.persistents())
        # of those that live on the card between steps
        self.ways = {index: None for index, offset, _ in plan.persistents() if offset == f.ABSENT}
        if self.ways:
            self._find_ways()

    def _find_ways(self):
        """(block, offset, bounce) by which a step brings each tensor in that lives on the card: nothing that stays is there."""
        plan, ways = self._plan, self.ways
        for i in range(plan.count):
            opcode, _, index, operand, dim = plan.record(i)
            if opcode == f.PAGE_IN and index in ways and ways[index] is None:
                ways[index] = plan.dim32(dim), plan.offset(operand), plan.offset(operand + 1)

    def views(self, arriving):
        """A view of each tensor in the plan's order.

        What lives on the card comes into the arena for as long as its view is in use; with `arriving` it comes empty and goes
        to the card with what was written into it.
        """
        pager, memory = self._pager, self._arena.memory
        for index, offset, nbytes in self._plan.persistents():
            way = self.ways.get(index)
            if not way:
                yield self._arena.view(offset, nbytes)
                continue
            block, offset, bounce = way
            if not arriving:
                # what is counted is the traffic of steps
                pager.page_in(memory, index, block, offset, nbytes, bounce, False)
            yield self._arena.view(offset, nbytes)
            if arriving:
                pager.page_out(memory, index, block, offset, nbytes, bounce, False)

    def load(self, stream, name):
        """Reads a weights file; raises what `read` raises."""
        read(stream, name, self._plan.graph_id, self.views(True), self._kernels)

    def save(self, place, card=None):
        """Writes weights and state in the same form to a file, or to [bytes, None, block] of the card."""
        if not isinstance(place, str):
            from tercet_device.card_file import CardFile

            with CardFile(card, place) as stream:
                return self._write(stream)
        # a former file goes first: both together may not fit
        try:
            os.remove(place)
        except OSError:
            pass
        try:
            with open(place, "wb") as stream:
                self._write(stream)
        except OSError:
            raise DeviceError("weights", "%s: %d bytes do not fit the board's filesystem" % (place, self.nbytes))

    def _write(self, stream):
        head = b"TWTS" + self._plan.graph_id + struct.pack("<I", self.nbytes)
        stream.write(head)
        crc = self._kernels.crc32(head)
        for view in self.views(False):
            if stream.write(view) != len(view):
                raise OSError(28)
            crc = self._kernels.crc32(view, crc)
        stream.write(struct.pack("<I", crc))

    def digest(self):
        """The hexadecimal SHA-256 over weights and state in the plan's order."""
        sha = hashlib.sha256()
        for view in self.views(False):
            sha.update(view)
        return binascii.hexlify(sha.digest()).decode()
