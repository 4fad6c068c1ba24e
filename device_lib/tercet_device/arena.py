# SPDX-License-Identifier: Apache-2.0
"""The one block of memory in which a step lives, with a canary that tells how far it was ever written."""

import gc

from tercet_device.errors import DeviceError

CANARY = 0xA5
GUARD_BYTES = 16
# a large arena leaves less room for the hole, and its steps take so long that walking over the arena does not show
LARGE_BYTES = 128 * 1024
NURSERY_BYTES, SMALL_NURSERY_BYTES = 2048, 512
_reserved = []
_nursery = []


def reserve(nbytes):
    """Takes the memory of an arena of `nbytes` while the heap is whole: before other modules are compiled into pieces of it.

    Below it stays a hole for what a step allocates. MicroPython looks for memory from the bottom of the heap upwards: without
    a hole it would walk over the whole arena for each call frame.
    """
    try:
        _nursery[:] = [bytearray(NURSERY_BYTES if nbytes < LARGE_BYTES else SMALL_NURSERY_BYTES)]
        _reserved[:] = [bytearray(nbytes + GUARD_BYTES)]
    except MemoryError:
        # the Arena will tell
        _reserved[:] = []


def reserved_bytes():
    """What `reserve` holds back."""
    return sum(len(block) for block in _reserved + _nursery)


def settle():
    """Opens the hole below the arena: all that stays for the whole run has been allocated."""
    gc.threshold(-1)
    _nursery[:] = []
    gc.collect()


class Arena:
    """`nbytes` of memory followed by a guard. Raises DeviceError("memory") when the heap cannot hold it."""

    def __init__(self, nbytes, kernels):
        self.nbytes = nbytes
        self._kernels = kernels
        try:
            fits = _reserved and len(_reserved[0]) == nbytes + GUARD_BYTES
            self.memory = _reserved.pop() if fits else bytearray(nbytes + GUARD_BYTES)
        except MemoryError:
            raise DeviceError("memory", "an arena of %d bytes does not fit: %d are free" % (nbytes, gc.mem_free()))
        kernels.fill(self.memory, CANARY)

    def view(self, offset, nbytes):
        return memoryview(self.memory)[offset : offset + nbytes]

    def high_water(self):
        """The highest byte ever written, plus one. Raises DeviceError("memory") when the guard was touched."""
        mark = self._kernels.high_water(self.memory, CANARY)
        if mark > self.nbytes:
            raise DeviceError("memory", "the guard behind the arena was overwritten at byte %d" % mark)
        return mark
