# SPDX-License-Identifier: Apache-2.0
"""How long a card itself takes, to the byte on its bus: what no driver can be faster than."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from tercet.board.base import Board

# token, block and checksum on their way; a token is one byte, whichever way it goes
_PACKET_BYTES = 1 + 512 + 2
# Sends and clocks on in one transfer and looks afterwards at which byte the card had done: neither a polling loop nor what lies
# between two transfers is part of what is measured.
_PROBE = """
import sys
if '/lib' not in sys.path: sys.path.append('/lib')
from tercet_device import trace
from tercet_device.card import crc7
from tercet_device.places import open_card
card = open_card({card!r})
hz = card.rate()[0]
if hz != card.hz:
    from machine import mem32
    card._spi.init(baudrate=hz)
    mem32[card.port[0] + 0x560] = card.port[10]
at = {block} * card._unit
sent, seen = bytearray(12288), bytearray(12288)
def clock(first):
    for i in range(len(sent)):
        sent[i] = 0xFF
    sent[: len(first)] = first
    card._spi.write_readinto(sent, seen)
def settle():
    for _ in range(100):
        card._spi.readinto(seen, 0xFF)
        if seen[-1] == 0xFF:
            return
busy, gaps = [], []
card._command(55, 0)
card._command(23, {blocks})
card._select()
assert card._send(25, at) == 0
for _ in range({blocks}):
    clock(b"\\xfc" + bytes(514))
    begun = next(i for i in range(515, 531) if seen[i] & 0x11 == 1) + 1
    found = seen.find(b"\\xff", begun)
    if found > 0:
        busy.append(found - begun)
    settle()
clock(b"\\xfd\\xff")
stop = seen.find(b"\\xff", 3) - 2
settle()
card._release()
frame = bytes((0x40 | 18, at >> 24, at >> 16 & 255, at >> 8 & 255, at & 255))
frame += bytes((crc7(frame),))
while not gaps:
    card._select()
    clock(frame)
    begun = next(i for i in range(6, 24) if seen[i] < 0x80) + 1
    token = seen.find(b"\\xfe", begun)
    access = token - begun
    while 0 < token:
        end = token + 515
        token = seen.find(b"\\xfe", end)
        if token > 0:
            gaps.append(token - end)
    card._send(12, 0)
    settle()
    card._release()
trace.emit("card", hz=hz, busy=busy, stop=stop, access=access, gaps=gaps)
"""


@dataclass(frozen=True)
class CardTimes:
    """Microseconds with a bus of `hz`: of a packet on the bus, and of the card after a written block, at the end of many, before
    the first block of a read and before each further one.
    """

    hz: int
    packet_us: float
    busy_us: float
    stop_us: float
    access_us: float
    gap_us: float

    def out_us(self, blocks: int) -> float:
        """The least time of a page-out of at least two blocks."""
        return blocks * (self.packet_us + self.busy_us) + self.stop_us

    def in_us(self, blocks: int) -> float:
        """The least time of a page-in of at least two blocks."""
        return self.access_us + (blocks - 1) * self.gap_us + blocks * self.packet_us


def probe(board: Board, card: dict[str, Any], block: int, blocks: int = 8) -> CardTimes:
    """What the card of `board` takes at the rate that it is brought to; writes zeros to `blocks` blocks from `block` on.

    Medians, so that a block on which the card stalls does not count. Raises BoardError when the card does not answer.
    """
    answer: dict[str, Any] = {}
    for event in board.run(_PROBE.format(card=card, block=block, blocks=blocks)):
        answer = event
    byte_us = 8e6 / answer["hz"]
    return CardTimes(
        answer["hz"], _PACKET_BYTES * byte_us, median(answer["busy"]) * byte_us, answer["stop"] * byte_us,
        answer["access"] * byte_us, median(answer["gaps"]) * byte_us,
    )  # fmt: skip
