# SPDX-License-Identifier: Apache-2.0
"""Moves tensors between the arena and the page store, and refuses a page that is not what was written."""

from tercet_device.errors import DeviceError
from tercet_device.guard import Checksum, Seal
from tercet_device.store import BLOCK_BYTES

_ATTEMPTS = 3


class Pager:
    """Pages of a plan on a store. Counts bytes, and the retries after a failed check.

    A page that fails its check is read again, at most twice; then DeviceError("page") ends the step.
    """

    def __init__(self, store, kernels, tensors, encrypted):
        self.store, self._kernels = store, kernels
        self._guard = None
        self.hook = 0
        if store:
            self._guard = Seal(tensors) if encrypted else Checksum(kernels, tensors)
        self._out = self._in = self._retries = 0

    def tally(self):
        """(bytes out, bytes in, retries)"""
        return self._out, self._in, self._retries

    def page_out(self, memory, index, block, offset, nbytes, bounce, counted=True):
        guard, view = self._guard, memoryview(memory)
        whole = nbytes - nbytes % BLOCK_BYTES
        guard.begin(index, block, True)
        for at in range(0, whole, guard.PIECE_BYTES):
            piece = view[offset + at : offset + min(whole, at + guard.PIECE_BYTES)]
            self.store.write(block + at // BLOCK_BYTES, guard.protect(piece))
        if whole < nbytes:
            buffer = view[bounce : bounce + BLOCK_BYTES]
            rest = nbytes - whole
            buffer[:rest] = view[offset + whole : offset + nbytes]
            # what else stood there must not reach the card
            self._kernels.fill(buffer[rest:], 0)
            self.store.write(block + whole // BLOCK_BYTES, guard.protect(buffer))
        guard.keep(index)
        if counted:
            self._out += nbytes

    def page_in(self, memory, index, block, offset, nbytes, bounce, counted=True):
        for _ in range(_ATTEMPTS):
            self._guard.begin(index, block, False)
            self._read(memoryview(memory), block, offset, nbytes, bounce)
            if self._guard.right(index):
                if counted:
                    self._in += nbytes
                return
            self._retries += 1
        raise DeviceError("page", "page of tensor %d (block %d) is not what was written: it fails its check" % (index, block))

    def _read(self, view, block, offset, nbytes, bounce):
        """Whole blocks straight into the arena, the rest through the bounce buffer."""
        whole = nbytes - nbytes % BLOCK_BYTES
        if whole:
            part = view[offset : offset + whole]
            self.store.read(block, part)
            self._guard.reveal(part)
        if whole < nbytes:
            buffer = view[bounce : bounce + BLOCK_BYTES]
            self.store.read(block + whole // BLOCK_BYTES, buffer)
            self._guard.reveal(buffer)
            view[offset + whole : offset + nbytes] = buffer[: nbytes - whole]
