# SPDX-License-Identifier: GPL-2.0-or-later
"""A small host driver for the SD card that only knows the specification."""

from tercet_virtual_board.sd import PROFILES, Card
from tercet_virtual_board.sd.registers import crc7, crc16

FAST, SLOW = 32, 1280  # cycles a byte: 16 MHz, 400 kHz


class Host:
    """Drives a card byte by byte or in bursts, and keeps the time."""

    def __init__(self, card: Card, cycles_per_byte: int = FAST):
        self.card, self.cycle, self.per_byte = card, 0, cycles_per_byte

    def clock(self, data: bytes) -> bytes:
        answer = self.card.transfer(self.cycle, data, self.per_byte)
        self.cycle += len(data) * self.per_byte
        return answer

    def command(self, index: int, argument: int = 0, extra: int = 0, crc: int | None = None) -> bytes:
        frame = bytes([0x40 | index]) + argument.to_bytes(4, "big")
        check = crc7(frame) << 1 | 1 if crc is None else crc
        self.clock(frame + bytes([check]))
        if index == 12:
            self.clock(b"\xff")
        for _ in range(9):
            byte = self.clock(b"\xff")
            if not byte[0] & 0x80:
                return byte + self.clock(b"\xff" * extra)
        raise TimeoutError(f"no answer to CMD{index}")

    def wait_for(self, unwanted: int, limit_ms: int = 1000) -> int:
        deadline = self.cycle + limit_ms * 64_000
        while self.cycle < deadline:
            byte = self.clock(b"\xff")[0]
            if byte != unwanted:
                return byte
        raise TimeoutError

    def read_data(self, count: int = 512) -> bytes:
        token = self.wait_for(0xFF)
        assert token == 0xFE, f"token 0x{token:02x}"
        data = self.clock(b"\xff" * (count + 2))
        if data[-2:] != crc16(data[:-2]):
            raise ValueError("CRC16")
        return data[:-2]

    def write_data(self, data: bytes, token: int = 0xFE, crc: bytes | None = None) -> int:
        answer = self.clock(b"\xff" + bytes([token]) + data + (crc16(data) if crc is None else crc) + b"\xff")
        return answer[-1] & 0x1F

    def ready(self) -> None:
        self.wait_for(0x00)

    def initialise(self, high_capacity: bool = True) -> None:
        self.clock(b"\xff" * 10)
        assert self.command(0) == b"\x01"
        if high_capacity:
            assert self.command(8, 0x1AA, 4) == b"\x01\x00\x00\x01\xaa"
        for _ in range(100_000):
            self.command(55)
            if self.command(41, 0x40000000) == b"\x00":
                return
        raise TimeoutError("ACMD41")


def started(medium, profile="good", **more) -> Host:
    host = Host(Card(medium, PROFILES[profile], **more))
    host.initialise(more.get("high_capacity", True))
    return host
