# SPDX-License-Identifier: GPL-2.0-or-later
"""The wire side of a card in SPI mode: bytes in, bytes out, each at its moment.

SD Physical Layer Simplified Specification, chapter 7. The commands themselves are in commands.py and transfers.py.
"""

from collections import deque
from typing import NamedTuple

from tercet_virtual_board.sd.registers import crc7, crc16
from tercet_virtual_board.sd.transfers import Transfers

TOKEN_SINGLE, TOKEN_MULTIPLE, TOKEN_STOP = 0xFE, 0xFC, 0xFD
BAD_CRC = 0xEB
DEFAULT_SPEED_HZ = 25_000_000
CYCLES_PER_US = 64


class Segment(NamedTuple):
    """Output: `payload` not before `ready` (a cycle); until then the line shows `fill` (0xFF waiting, 0x00 busy)."""

    ready: int
    fill: int
    payload: bytes


class Card(Transfers):
    """A card that is clocked while selected. `transfer` is all a bus needs; MISO floats high otherwise."""

    def __init__(self, medium, profile, seed: int = 1, high_capacity: bool = True, write_protected: bool = False):
        super().__init__(medium, profile, seed, high_capacity, write_protected)
        self._out: deque[Segment] = deque()
        self._command = bytearray()
        self._data: bytearray | None = None  # a block that is being received
        self._cycle_per_byte = 0
        self.early = False  # the line moves at the clock's rising edge
        self._settled = 0  # when the last block will have been programmed
        self._frame_left = 0  # bytes of a command that the host has still to send

    def power_on(self, cycle: int) -> None:
        """Forgets everything but the medium."""
        self.reset_state(cycle)
        self._out.clear()
        self._command.clear()
        self._data = None

    def power_off(self, cycle: int) -> None:
        """The supply is gone at once; a block that was being programmed is torn."""
        if cycle < self._settled:
            self.tear()
        self._settled = 0

    def select(self, level: int) -> None:
        """Chip select changed; a command that was under way is dropped."""
        if level:
            self._command.clear()
            self._frame_left = 0

    def transfer(self, cycle: int, sent: bytes, cycles_per_byte: int) -> bytes:
        """What the card answers to `sent`, whose first byte starts at `cycle`."""
        self._cycle_per_byte = cycles_per_byte
        if not self._out:
            # after what a switch or a reset is answered with
            self.early = self.high_speed
        self.fast = 64_000_000 * 8 / cycles_per_byte > DEFAULT_SPEED_HZ
        self.too_fast = self.fast and not self.high_speed
        answer = bytearray(b"\xff") * len(sent)
        at = 0
        while at < len(sent):
            now = cycle + at * cycles_per_byte
            at += self._piece(now, sent, at, answer)
        return bytes(answer)

    def _piece(self, now: int, sent: bytes, at: int, answer: bytearray) -> int:
        """Handles some bytes from `at` on; returns how many."""
        if self._data is not None:
            return self._take_data(now, sent, at)
        quiet = len(sent) - at if self._command else len(sent) - at - len(sent[at:].lstrip(b"\xff"))
        if self._command or not quiet:
            answer[at] = self._next_byte(now)
            self._take_byte(now + self._cycle_per_byte, self._on_command_line(sent[at]))
            return 1
        return self._give(now, answer, at, quiet)

    def _give(self, now: int, answer: bytearray, at: int, room: int) -> int:
        """Output while the host sends nothing but 0xFF."""
        if not self._out:
            self._refill(now)
        if not self._out:
            return room
        segment = self._out[0]
        if now < segment.ready:
            count = min(room, -(-(segment.ready - now) // self._cycle_per_byte))
            if segment.fill != 0xFF:
                answer[at : at + count] = bytes([segment.fill]) * count
            return count
        count = min(room, len(segment.payload))
        answer[at : at + count] = segment.payload[:count]
        self._consume(segment, count)
        return max(count, 1) if segment.payload else 0

    def _next_byte(self, now: int) -> int:
        """One byte of output beside a byte of input."""
        while self._out and now >= self._out[0].ready and not self._out[0].payload:
            self._out.popleft()
        if not self._out:
            return 0xFF
        segment = self._out[0]
        if now < segment.ready:
            return segment.fill
        self._consume(segment, 1)
        return segment.payload[0]

    def _consume(self, segment: Segment, count: int) -> None:
        self._out.popleft()
        if count < len(segment.payload):
            self._out.appendleft(Segment(segment.ready, segment.fill, segment.payload[count:]))
        elif self.flips_ahead:
            self._meet_flips()

    def _meet_flips(self) -> None:
        """What was damaged has reached the other side: a block read ahead that the host never takes does not count."""
        self.injected.flips_met += self.flips_ahead
        self.flips_ahead = 0

    def _refill(self, now: int) -> None:
        """The next block of a multiple read."""
        if self.reading is not None:
            payload = self.next_read_block(now)
            if payload is not None:
                self._out.append(Segment(now + self.read_gap_us() * CYCLES_PER_US, 0xFF, payload))

    def _on_command_line(self, byte: int) -> int:
        """A byte as it arrives: with an injected flip when it is that byte of a command."""
        if not self._frame_left:
            if byte & 0xC0 != 0x40:
                return byte
            self._frame_left = 6
        at = 8 * (6 - self._frame_left)
        self._frame_left -= 1
        flips = self.injected.command_flips
        if not flips or not at <= flips[0] < at + 8:
            return byte
        self.injected.flips_met += 1
        return byte ^ 1 << flips.pop(0) % 8

    def _busy(self, now: int) -> bool:
        return bool(self._out) and self._out[0].fill == 0 and now < self._out[0].ready

    def _take_byte(self, now: int, byte: int) -> None:
        """Input that is not the inside of a data block."""
        if self._command:
            self._command.append(byte)
            if len(self._command) == 6:
                frame = bytes(self._command)
                self._command.clear()
                self._execute(now, frame)
        elif self.writing is not None and not self._busy(now):
            if byte == (TOKEN_MULTIPLE if self.writing_multiple else TOKEN_SINGLE):
                self._data = bytearray()
            elif byte == TOKEN_STOP and self.writing_multiple:
                self.writing = None
                self._out.append(Segment(now + self._cycle_per_byte, 0xFF, b""))
                self._set_busy(now + self._cycle_per_byte, self.profile.stop_us)
            elif byte & 0xC0 == 0x40:
                self._command.append(byte)
        elif byte & 0xC0 == 0x40:
            self._command.append(byte)

    def _execute(self, now: int, frame: bytes) -> None:
        index, argument = frame[0] & 0x3F, int.from_bytes(frame[1:5], "big")
        crc_good = frame[5] == (crc7(frame[:5]) << 1 | 1)
        if self.timed_out:
            return  # an injected fault: the card does not answer
        if index == 12:
            self._out.clear()
            self.flips_ahead = 0
            self._out.append(Segment(now, 0xFF, b"\xff"))  # the stuff byte
        result = self.command(now, index, argument, crc_good)
        self._out.append(Segment(now, 0xFF, b"\xff" + result.response))  # N_CR: one byte
        checked = result.data + crc16(result.data) if result.data is not None else result.checked
        if checked is not None:
            payload = bytes([TOKEN_SINGLE]) + checked
            self._out.append(Segment(now + result.delay_us * CYCLES_PER_US, 0xFF, self.on_wire(payload)))
        elif result.error_token:
            self._out.append(Segment(now + result.delay_us * CYCLES_PER_US, 0xFF, bytes([result.error_token])))
        if result.busy_us:
            self._set_busy(now + 2 * self._cycle_per_byte, result.busy_us)

    def _set_busy(self, now: int, busy_us: int) -> None:
        until = now + busy_us * CYCLES_PER_US
        self._out.append(Segment(until, 0x00, b""))
        self.on_current(self.profile.write_na, until)

    def _take_data(self, now: int, sent: bytes, at: int) -> int:
        wanted = 514 - len(self._data)
        self._data += sent[at : at + wanted]
        taken = min(wanted, len(sent) - at)
        if len(self._data) == 514:
            arrived = self._flipped(self.injected.write_flips, self.writing, bytes(self._data))
            self._meet_flips()
            block, check = arrived[:512], arrived[512:]
            self._data = None
            end = now + taken * self._cycle_per_byte
            corrupt = self.is_garbled() or (self.crc_on and check != crc16(block))
            answer, busy_us = (BAD_CRC, 0) if corrupt else self.store_block(block)
            self._out.append(Segment(end, 0xFF, bytes([answer])))
            if busy_us:
                self._set_busy(end, busy_us)
                self._settled = end + busy_us * CYCLES_PER_US
        return taken
