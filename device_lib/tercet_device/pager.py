# SPDX-License-Identifier: Apache-2.0
"""Moves tensors between the arena and the page store, and refuses a page that is not what was written."""

from array import array

from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES

_ATTEMPTS = 3


class Pager:
    """Pages of a plan on a store. Counts bytes, and the retries after a failed check.

    A page whose CRC-32 differs from the one kept in RAM is read again, at most twice; then DeviceError("page") ends
    the step.
    """

    def __init__(self, store, kernels, tensors):
        self._store, self._kernels = store, kernels
        self._crc = array("I", bytes(4 * tensors))
        self.bytes_out = self.bytes_in = self.retries = 0

    def page_out(self, memory, index, block, offset, nbytes, bounce):
        self._transfer(self._store.write, memory, block, offset, nbytes, bounce, True)
        self._crc[index] = self._kernels.crc32(memoryview(memory)[offset : offset + nbytes])
        self.bytes_out += nbytes

    def page_in(self, memory, index, block, offset, nbytes, bounce):
        view = memoryview(memory)[offset : offset + nbytes]
        for _ in range(_ATTEMPTS):
            self._transfer(self._store.read, memory, block, offset, nbytes, bounce, False)
            if self._kernels.crc32(view) == self._crc[index]:
                self.bytes_in += nbytes
                return
            self.retries += 1
        raise DeviceError("page", "page of tensor %d (block %d) fails its checksum" % (index, block))

    def _transfer(self, move, memory, block, offset, nbytes, bounce, outward):
        """Whole blocks straight from or into the arena, the rest through the bounce buffer."""
        view = memoryview(memory)
        whole = nbytes // BLOCK_BYTES * BLOCK_BYTES
        if whole:
            move(block, view[offset : offset + whole])
        if whole < nbytes:
            buffer = view[bounce : bounce + BLOCK_BYTES]
            rest = nbytes - whole
            if outward:
                buffer[:rest] = view[offset + whole : offset + nbytes]
                # what else stood there must not reach the card
                self._kernels.fill(buffer[rest:], 0)
            move(block + whole // BLOCK_BYTES, buffer)
            if not outward:
                view[offset + whole : offset + nbytes] = buffer[:rest]
