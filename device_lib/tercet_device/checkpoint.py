# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in two slots that take turns: a write that loses power leaves the slot before it whole.

A slot is a body of whole blocks and, written last, a trailer block:

    "TCKP" | version, cipher: u8 | u16 0 | job identity, 8 bytes | sequence, body bytes: u32 | proof, 28 bytes | zeros | CRC-32

The proof is 24 zeros and the body's CRC-32 (cipher 0), or nonce and tag of ChaCha20-Poly1305 (cipher 1).
"""

import os
import struct

from tercet_device import kernels, trace
from tercet_device.errors import DeviceError
from tercet_device.keeping import open_guard
from tercet_device.places import card_region, open_weights
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK, BlockStore
from tercet_device.weights import identity

_TRAILER = "<4sBBH8sII28s"
_NAME = "<4sBBH8sII40x"
_CRC_AT = BLOCK_BYTES - 4
_VERSION = 2
# how much is copied between memory and slot at once
_PIECE_BLOCKS = 4
# a damaged read is no damaged slot
_ATTEMPTS = 3


def slot_blocks(body_bytes):
    """The blocks of a slot for a body of so many bytes."""
    return -(-body_bytes // BLOCK_BYTES) + 1


class CardSlots:
    """Two slots that end where the files on the card begin; pages keep clear of them.

    Raises DeviceError("card_full") when they are larger than what lies before.
    """

    def __init__(self, card, blocks):
        if 2 * blocks > DATA_BLOCK:
            raise DeviceError("card_full", "two checkpoints of %d blocks exceed %d" % (blocks, DATA_BLOCK))
        at = card_region(card, DATA_BLOCK)[0] + DATA_BLOCK - 2 * blocks
        self._slots = [BlockStore(card, at + i * blocks, blocks) for i in range(2)]

    def open(self, slot, writing):
        return self._slots[slot]

    def close(self):
        pass


class FileSlots:
    """Two files in the board's own filesystem, `path`.0 and `path`.1, each written from its beginning to its end."""

    def __init__(self, path):
        self._path = path
        self._file = None

    def open(self, slot, writing):
        try:
            self._file = open("%s.%d" % (self._path, slot), "wb" if writing else "rb")
        except OSError as error:
            if writing:
                raise DeviceError("checkpoint", "%s.%d cannot be written: %s" % (self._path, slot, error))
        return self

    def write(self, block, data):
        # in order: what stands before is whole
        if self._file.write(data) != len(data):
            raise DeviceError("checkpoint", "%s: the filesystem is full" % self._path)

    def read(self, block, data):
        if self._file is not None:
            self._file.seek(0)  # see data.py
            self._file.seek(block * BLOCK_BYTES)
            self._file.readinto(data)

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
            if hasattr(os, "sync"):
                os.sync()


class Log:
    """The two slots of a job; `identity`: 8 bytes that name it.

    `views(arriving)` gives the memory that a checkpoint holds, in order and `nbytes` in all: to be read, or, `arriving`, to be
    written. `guard` seals it or gives it a checksum.
    """

    def __init__(self, slots, kernels, identity, views, nbytes, guard):
        self._guard = guard
        self._slots, self._identity, self._views = slots, identity, views
        self._crc32, self._fill = kernels.crc32, kernels.fill
        self._bytes = nbytes
        self._last = slot_blocks(self._bytes) - 1
        self._buffer = bytearray(_PIECE_BLOCKS * BLOCK_BYTES)
        self._block = memoryview(self._buffer)[:BLOCK_BYTES]
        self._sequence = 0

    def save(self):
        """Writes the views over the older checkpoint and returns their CRC-32; the newer one is valid until this one is."""
        sequence = self._sequence + 1
        store = self._slots.open(sequence % 2, True)
        try:
            self._guard.begin(self._name(_NAME, sequence))
            crc = self._pass(store, True)
            self._put_trailer(store, sequence, self._guard.end(crc))
        finally:
            self._slots.close()
        self._sequence = sequence
        return crc

    def load(self):
        """Reads the newest whole checkpoint of this job into the views; False, and the views undefined, when there is none."""
        for sequence, slot, proof in sorted(self._found(), reverse=True):
            for _ in range(_ATTEMPTS):
                try:
                    self._guard.begin(self._name(_NAME, sequence), proof)
                    crc = self._pass(self._slots.open(slot, False), False)
                    whole = self._guard.right(proof, crc)
                finally:
                    self._slots.close()
                if whole:
                    self._sequence = sequence
                    return True
            trace.emit("checkpoint_damaged", slot=slot, sequence=sequence)
        return False

    def clear(self):
        """Forgets both checkpoints: a job that starts anew must not continue from its former run."""
        for slot in range(2):
            store = self._slots.open(slot, True)
            try:
                self._fill(self._block, 0)
                store.write(self._last, self._block)
            finally:
                self._slots.close()

    def _name(self, form, sequence, *more):
        """What tells a checkpoint from any other."""
        return struct.pack(form, b"TCKP", _VERSION, self._guard.NUMBER, 0, self._identity, sequence, self._bytes, *more)

    def _put_trailer(self, store, sequence, proof):
        block = self._block
        self._fill(block, 0)
        name = self._name(_TRAILER, sequence, proof)
        block[: len(name)] = name
        struct.pack_into("<I", block, _CRC_AT, self._crc32(block[:_CRC_AT]))
        store.write(self._last, block)

    def _found(self):
        """[(sequence, slot, proof of the body)] of the slots that end in a trailer of this job."""
        found = []
        for slot in range(2):
            for _ in range(_ATTEMPTS):
                head = self._trailer(slot)
                if head:
                    if head[:5] == (b"TCKP", _VERSION, self._guard.NUMBER, 0, self._identity) and head[6] == self._bytes:
                        found.append((head[5], slot, head[7]))
                    break
        return found

    def _trailer(self, slot):
        """The fields of a slot's trailer; None when its checksum does not fit."""
        block = self._block
        self._fill(block, 0)
        try:
            self._slots.open(slot, False).read(self._last, block)
        finally:
            self._slots.close()
        if self._crc32(block[:_CRC_AT]) == struct.unpack_from("<I", block, _CRC_AT)[0]:
            return struct.unpack_from(_TRAILER, block)

    def _pass(self, store, outward):
        """Moves all views to or from the body of a slot, a piece at a time, and returns their CRC-32."""
        buffer, size = memoryview(self._buffer), len(self._buffer)
        crc = at = filled = 0
        for view in self._views(not outward):
            done, total = 0, len(view)
            while done < total:
                if not outward and not filled:
                    store.read(at // BLOCK_BYTES, buffer[: self._piece(at)])
                    self._guard.reveal(buffer[: min(size, self._bytes - at)])
                part = min(total - done, size - filled)
                if outward:
                    buffer[filled : filled + part] = view[done : done + part]
                else:
                    view[done : done + part] = buffer[filled : filled + part]
                done, filled = done + part, filled + part
                if filled == size or at + filled == self._bytes:
                    crc = self._crc32(buffer[:filled], crc)
                    if outward:
                        self._guard.protect(buffer[:filled])
                        self._fill(buffer[filled:], 0)
                        store.write(at // BLOCK_BYTES, buffer[: self._piece(at)])
                    at, filled = at + filled, 0
        return crc

    def _piece(self, at):
        """The bytes of the whole blocks of the piece that begins at byte `at` of the body."""
        return min(len(self._buffer), self._last * BLOCK_BYTES - at)


def open_log(job, state, weights, card):
    """The checkpoints of a job: `state` and all weights, on the card or in files."""
    settings = job["checkpoint"]
    nbytes = len(state) + weights.nbytes

    def views(arriving):
        yield memoryview(state)
        for view in weights.views(arriving):
            yield view

    if settings.get("path"):
        slots = FileSlots(settings["path"])
    else:
        slots = CardSlots(card, slot_blocks(nbytes))
    with open_weights(job["weights"], card) as stream:
        # with other weights to start from it is another job
        name = bytes.fromhex(settings["job"]) + identity(stream)
    return Log(slots, kernels, name, views, nbytes, open_guard(settings.get("key")))
