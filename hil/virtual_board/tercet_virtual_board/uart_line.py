# SPDX-License-Identifier: GPL-2.0-or-later
"""The serial line between host and board as USB makes it: packets of up to 64 bytes that come late."""

import random
from collections import deque

PACKET_BYTES = 64  # bulk endpoint of USB full speed
LATENCY_US = (1_000, 16_000)  # one frame; default latency timer of common USB serial converters
CYCLES_PER_US = 64


class UartLine:
    """Delays and groups the bytes of both directions in virtual time.

    `direct` switches it off: bytes pass at once. The latencies come from `seed`; a packet to the host leaves when 64
    bytes are there or the latency is over, whatever is first.
    """

    def __init__(self, seed: int, direct: bool = False):
        self._random = random.Random(f"uart line {seed}")
        self._direct = direct
        self._to_board: deque[tuple[int, bytes]] = deque()
        self._to_host = bytearray()
        self._host_due = 0

    def _latency(self) -> int:
        return self._random.randint(*LATENCY_US) * CYCLES_PER_US

    def from_host(self, data: bytes, cycle: int) -> None:
        """Accepts bytes that the host wrote at this moment."""
        for start in range(0, len(data), PACKET_BYTES):
            due = cycle if self._direct else cycle + self._latency()
            if self._to_board:
                due = max(due, self._to_board[-1][0])
            self._to_board.append((due, data[start : start + PACKET_BYTES]))

    def to_board(self) -> list[tuple[int, bytes]]:
        """Packets for the board, each with the cycle at which its first byte may start."""
        packets = list(self._to_board)
        self._to_board.clear()
        return packets

    def from_board(self, data: bytes, cycle: int) -> None:
        """Accepts bytes that the board has sent by now."""
        if data and not self._to_host:
            self._host_due = cycle if self._direct else cycle + self._latency()
        self._to_host += data

    def to_host(self, cycle: int) -> bytes:
        """Bytes that reach the host by now."""
        count = len(self._to_host) if cycle >= self._host_due else len(self._to_host) // PACKET_BYTES * PACKET_BYTES
        data = bytes(self._to_host[:count])
        del self._to_host[:count]
        if self._to_host and count:
            self._host_due = cycle + (0 if self._direct else self._latency())
        return data

    @property
    def idle(self) -> bool:
        """True when nothing is under way."""
        return not self._to_host and not self._to_board
