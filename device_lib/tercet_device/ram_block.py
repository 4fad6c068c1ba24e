# SPDX-License-Identifier: Apache-2.0
"""A block of the nRF52840's RAM for what is sent to the card while the processor computes.

SPIM3 sends wrong data when another master touches the same block meanwhile (errata 195 and 198).
"""

import gc

from uctypes import addressof

from tercet_device.errors import DeviceError

RAM_BLOCK_BYTES = 8192
_SMALL_BYTES, _TRIES = 1024, 16
_reserved = []


def reserve():
    """Takes the block while the heap is whole."""
    _reserved[:] = [_find()]


def take():
    """8 KB that are a whole block of RAM; DeviceError("memory") when no part of the heap is one."""
    try:
        return _reserved.pop() if _reserved else _find()
    except MemoryError:
        raise DeviceError("memory", "no 8 KB are left for what is sent to the card: %d bytes are free" % gc.mem_free())


def _find():
    pads = []
    for _ in range(_TRIES):
        block = bytearray(RAM_BLOCK_BYTES)
        gap = -addressof(block) % RAM_BLOCK_BYTES
        if not gap:
            return block
        # pads fill what lies below until the next one begins where a block of RAM does; they are free again afterwards. A
        # small one would only end up in one of the many small holes.
        block = None
        gc.collect()
        pads.append(bytearray(gap if gap >= _SMALL_BYTES else gap + RAM_BLOCK_BYTES))
    raise DeviceError("memory", "no 8 KB of the heap form a block of RAM for what is sent to the card")
