# SPDX-License-Identifier: Apache-2.0
"""The card's bus at 32 MHz, where the card confirms it and what it then reads is right. Needed once a card is opened.

Sources: SD Physical Layer Simplified Specification, chapter 4.3.10 (CMD6); nRF52840 Product Specification, chapter SPIM.
"""

import os
from array import array

import tercet_card
from machine import mem32

from tercet_device.card import ATTEMPTS, BLOCK_BYTES
from tercet_device.errors import DeviceError
from tercet_device.native_card import DEADLINE_MS

FAST_HZ = 32_000_000
_FAST = 0x14000000
_RATE = 8  # where the port tells the rate, then the slower one
_SCK, _MOSI = 4, 5
_ASK, _SWITCH = 0x00FFFFF1, 0x80FFFFF1
_HIGH_SPEED = 1
_BLOCKS = 8
_TIMES = 3
# At high speed a card changes its line at the other edge of the clock, so the moment of sampling (in 1/64 us after the edge) is
# found by trial: at a long period at once after the edge first, at a short one in its middle.
_SLOW_DELAYS, _FAST_DELAYS = (0, 1, 2), (1, 0, 2)


def raise_rate(card, max_hz):
    """Takes a NativeCard just opened to 32 MHz; leaves it as it is, or brings it back there, where anything speaks against it."""
    if max_hz < FAST_HZ:
        return
    known = bytearray(_BLOCKS * BLOCK_BYTES)
    card.read(0, known)
    if not _supports(_switch(card, _ASK)):
        return
    status = _switch(card, _SWITCH)
    slow = fast = None
    if status and status[16] & 15 == _HIGH_SPEED:
        slow = _find(card, card.port[_RATE], card.hz, _SLOW_DELAYS, known)
        if slow:
            _drive(card)
            fast = _find(card, _FAST, FAST_HZ, _FAST_DELAYS, known)
    if fast:
        card.port[_RATE:] = fast + slow
        card.fast_hz = FAST_HZ
    else:
        # only a reset makes sure of the default speed
        card.start()
    tercet_card.setup(card.job, card.port, card.slot)


def prove_writing(card, block):
    """Writes a block whose content is of no worth and reads it back; where that goes wrong the slower rate is taken."""
    pattern = os.urandom(BLOCK_BYTES)
    back = bytearray(len(pattern))
    card.write(block, pattern)
    card.read(block, back)
    if back != pattern:
        tercet_card.lower(card.job)


def _supports(status):
    """Whether a status offers high speed and would select it."""
    return status and status[13] >> _HIGH_SPEED & 1 and status[16] & 15 == _HIGH_SPEED


def _switch(card, argument):
    """The card's status after CMD6, 64 bytes whose checksum was right; None when it refuses or does not answer well."""
    status = bytearray(64)
    for _ in range(ATTEMPTS):
        try:
            return status if card.answer(6, argument, status) == 0 else None
        except DeviceError:
            # damaged: to ask again does no harm
            pass
    return None


def _find(card, frequency, hz, delays, known):
    """[frequency, deadline, delay] with which the known blocks are read `_TIMES` times in a row without an error, or None."""
    back = bytearray(len(known))
    for delay in delays:
        rate = array("I", (frequency, hz // 8000 * DEADLINE_MS, delay))
        tercet_card.setup(card.job, card.port[:_RATE] + rate + array("I", (0, 0, 0)), card.slot)
        for i in range(_TIMES):
            for k in range(0, len(back), BLOCK_BYTES):
                back[k] = ~known[k] & 0xFF
            # one block, then many
            part = memoryview(back)[: BLOCK_BYTES if i == 0 else len(back)]
            if tercet_card.transfer(card.job, 0, 0, part) or part != memoryview(known)[: len(part)]:
                break
        else:
            return rate
    return None


def _drive(card):
    """High drive for clock and data out, which 32 MHz need."""
    for pin in card.port[_SCK], card.port[_MOSI]:
        mem32[0x50000700 + 0x300 * (pin >> 5) + 4 * (pin & 31)] |= 0x300
