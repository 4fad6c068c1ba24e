# SPDX-License-Identifier: GPL-2.0-or-later
"""A card's state, identification and registers. SD Physical Layer Simplified Specification, tables 7-3 and 7-4."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tercet_virtual_board.sd import registers
from tercet_virtual_board.sd.medium import Medium
from tercet_virtual_board.sd.profile import Profile

IDLE, ILLEGAL, CRC_ERROR, ADDRESS, PARAMETER = 0x01, 0x04, 0x08, 0x20, 0x40
STATUS_WRITE_PROTECTED, STATUS_ERROR, STATUS_OUT_OF_RANGE = 0x20, 0x04, 0x80


@dataclass
class Result:
    """R1 and what follows; data (or data with their CRC, `checked`) come after `delay_us` behind a token."""

    response: bytes
    data: bytes | None = None
    checked: bytes | None = None
    delay_us: int = 0
    error_token: int = 0
    busy_us: int = 0


@dataclass
class Injected:
    """Faults that the next matching operation meets, each once."""

    read_flips: list[tuple[int | None, int]] = field(default_factory=list)  # (block or any, bit)
    silent_flips: list[tuple[int | None, int]] = field(default_factory=list)  # the same, but the CRC fits
    write_flips: list[tuple[int | None, int]] = field(default_factory=list)  # in a block on its way to the card
    command_flips: list[int] = field(default_factory=list)  # bits of a command's six bytes
    fast_noise_every: int = 0  # beyond the default speed one block in so many has a wrong bit; 0: none
    flips_met: int = 0
    refuse_writes: int = 0
    stall_us: int = 0


class Commands:
    """State of a card, and the commands that move no blocks."""

    def __init__(self, medium: Medium, profile: Profile, seed: int, high_capacity: bool, write_protected: bool):
        self.medium, self.profile = medium, profile
        self.high_capacity, self.write_protected = high_capacity, write_protected
        self.injected = Injected()
        self.on_current: Callable[[int, int], None] = lambda na, until: None
        self.on_block: Callable[[str], None] = lambda what: None
        self.timed_out = self.fast = self.too_fast = False
        self._fast_blocks = 0
        self._seed = seed
        self._random = random.Random(f"card {seed}")
        self.reset_state(0)

    def reset_state(self, cycle: int) -> None:
        """Power-on: nothing but the medium is kept."""
        self.idle = True
        self.spi_mode = False
        self.high_speed = self.crc_on = False
        self.reading: int | None = None
        self.flips_ahead = 0  # injected flips in what has not been clocked out yet
        self.writing: int | None = None
        self.writing_multiple = False
        self._application = False
        self._ready_cycle: int | None = None
        self._status = 0
        self._written = 0
        self._erase = [0, 0]

    def command(self, cycle: int, index: int, argument: int, crc_good: bool) -> Result:
        """Executes one command frame."""
        if (index in (0, 8) or self.crc_on) and not crc_good:
            return Result(bytes([self._r1() | CRC_ERROR]))
        if not self.spi_mode and index != 0:
            return Result(b"")
        application, self._application = self._application, False
        if index not in {12, 13}:
            self.reading = self.writing = None
        name = f"_application{index}" if application else f"_command{index}"
        handler = getattr(self, name, None) or (getattr(self, f"_command{index}", None) if application else None)
        if handler is None or (self.idle and index not in (0, 1, 8, 55, 58, 59, 41)):
            return Result(bytes([self._r1() | ILLEGAL]))
        return handler(cycle, argument)

    def _r1(self, extra: int = 0) -> int:
        return (IDLE if self.idle else 0) | extra

    def _ok(self, **more) -> Result:
        return Result(bytes([self._r1()]), **more)

    def _command0(self, cycle: int, argument: int) -> Result:
        del argument
        self.reset_state(cycle)
        self.spi_mode = True
        return self._ok()

    def _command1(self, cycle: int, argument: int) -> Result:
        return self._application41(cycle, argument)

    def _command8(self, cycle: int, argument: int) -> Result:
        del cycle
        if not self.high_capacity:
            return Result(bytes([self._r1() | ILLEGAL]))
        return Result(bytes([self._r1()]) + (argument & 0xFFF).to_bytes(4, "big"))

    def _command55(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        self._application = True
        return self._ok()

    def _application41(self, cycle: int, argument: int) -> Result:
        if self._ready_cycle is None:
            self._ready_cycle = cycle + self.profile.init_us * 64
        if cycle >= self._ready_cycle and (argument >> 30 & 1 or not self.high_capacity):
            self.idle = False
        return self._ok()

    def _command58(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        ocr = 0xFF8000 | (0 if self.idle else 0x80000000 | (0x40000000 if self.high_capacity else 0))
        return Result(bytes([self._r1()]) + ocr.to_bytes(4, "big"))

    def _command59(self, cycle: int, argument: int) -> Result:
        del cycle
        self.crc_on = bool(argument & 1)
        return self._ok()

    def _command9(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return self._ok(data=registers.csd(self.medium.blocks, self.high_capacity, self.write_protected), delay_us=10)

    def _command10(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return self._ok(data=registers.cid(self._seed), delay_us=10)

    def _command13(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        status, self._status = self._status, 0
        return Result(bytes([self._r1(), status]))

    def _application13(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return Result(bytes([self._r1(), 0]), data=registers.sd_status(), delay_us=100)

    def _application51(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return self._ok(data=registers.scr(), delay_us=10)

    def _application22(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return self._ok(data=self._written.to_bytes(4, "big"), delay_us=10)

    def _application23(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return self._ok()

    def _application42(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        return self._ok()

    def _command6(self, cycle: int, argument: int) -> Result:
        del cycle
        if not self.profile.accepts_switch:
            return Result(bytes([self._r1() | ILLEGAL]))
        status = registers.switch_status(argument, self.high_speed, True)
        if argument >> 31 and argument & 0xF < 2:
            self.high_speed = bool(argument & 0xF)
        return self._ok(data=status, delay_us=100)

    def _command16(self, cycle: int, argument: int) -> Result:
        del cycle
        return self._ok() if argument == 512 else Result(bytes([self._r1() | PARAMETER]))

    def _command12(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        was_writing, self.reading, self.writing = self.writing is not None, None, None
        return self._ok(busy_us=self.profile.stop_us if was_writing else 20)
