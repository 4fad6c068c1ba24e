# SPDX-License-Identifier: Apache-2.0
"""Pages that native code moves beside the kernels: what `Pager` does, in the interrupts of the card driver."""

from array import array

import tercet_card

from tercet_device import _format as f
from tercet_device.chance import random_bytes
from tercet_device.errors import DeviceError
from tercet_device.native_card import KINDS

_FORGED = -7


class NativePager:
    """Pages of a plan on `store`, a BlockStore of a NativeCard.

    `hook` is what the kernels call at a record of paging. With `overlap` transfers run beside computation until a WAIT.
    """

    def __init__(self, store, tensors, encrypted, overlap):
        card = store.device
        if overlap:
            from tercet_device import ram_block

            card.send_from(ram_block.take())
        self.store, self.encrypted, self.overlap = store, encrypted, overlap
        self._pager, vectors = bytearray(tercet_card.PAGER_BYTES), bytearray(512)
        self.parts = self._pager, card.job, bytearray(tercet_card.KEPT_BYTES * tensors), vectors
        self._state = array("I", bytes(24))
        self.hook = self.open()
        if not overlap:
            card.keep_apart(card.job, self._pager, vectors)
        card.pager = self

    def open(self):
        """Begins where the store begins, under a new key if it encrypts; returns what the kernels take as their hook."""
        place = array("I", (self.store.first, self.store.blocks, self.overlap))
        return tercet_card.open(*self.parts, random_bytes(32) if self.encrypted else b"", place)

    def drain(self):
        """Waits until nothing is under way."""
        if tercet_card.drain(self._pager):
            self.fail()

    def page_out(self, memory, index, block, offset, nbytes, bounce, counted=False):
        """Moves a page between steps, which is not counted."""
        self._move(f.PAGE_OUT, memory, index, block, offset, nbytes)

    def page_in(self, memory, index, block, offset, nbytes, bounce, counted=False):
        self._move(f.PAGE_IN, memory, index, block, offset, nbytes)

    def _move(self, opcode, memory, index, block, offset, nbytes):
        if tercet_card.move(self._pager, array("I", (opcode, index, block, nbytes)), memory, offset):
            self.fail()

    def fail(self):
        """Raises the error that ended a transfer."""
        tercet_card.state(self._pager, self._state)
        error, tensor, block = -self._state[3], self._state[4], self._state[5]
        if error == _FORGED:
            text = "page of tensor %d (block %d) is not what was written: it fails its check" % (tensor, block)
            raise DeviceError("page", text)
        kind, text = KINDS[error]
        raise DeviceError(kind, "%s (page of tensor %d, block %d)" % (text, tensor, block))

    def tally(self):
        """(bytes out, bytes in, retries)"""
        tercet_card.state(self._pager, self._state)
        return tuple(self._state[:3])
