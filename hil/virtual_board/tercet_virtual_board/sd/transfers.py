# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands that read, write and erase blocks. SD Physical Layer Simplified Specification, chapters 7.2.3 and 7.2.4."""

from tercet_virtual_board.sd import registers
from tercet_virtual_board.sd.commands import (
    ADDRESS,
    PARAMETER,
    STATUS_ERROR,
    STATUS_OUT_OF_RANGE,
    STATUS_WRITE_PROTECTED,
    Commands,
    Result,
)

OUT_OF_RANGE_TOKEN = 0x08
ACCEPTED, WRITE_ERROR = 0xE5, 0xED


class Transfers(Commands):
    """A card's commands, with those for blocks."""

    def _block(self, argument: int) -> int | None:
        """Block number of an address, None when a byte address is not aligned."""
        if self.high_capacity:
            return argument
        return None if argument % 512 else argument // 512

    def _command17(self, cycle: int, argument: int) -> Result:
        return self._start_read(cycle, argument, False)

    def _command18(self, cycle: int, argument: int) -> Result:
        return self._start_read(cycle, argument, True)

    def _start_read(self, cycle: int, argument: int, multiple: bool) -> Result:
        block = self._block(argument)
        if block is None:
            return Result(bytes([self._r1() | ADDRESS]))
        if block >= self.medium.blocks:
            self._status |= STATUS_OUT_OF_RANGE
            return Result(bytes([self._r1() | PARAMETER]))
        delay_us = self.profile.access_us + self._stall_us()
        self.on_current(self.profile.read_na, cycle + (delay_us + 400) * 64)
        self.reading = block + 1 if multiple else None
        return self._ok(checked=self._checked_block(block), delay_us=delay_us)

    def next_read_block(self, cycle: int) -> bytes | None:
        """Token, data and CRC of the next block of a multiple read; an error token at the end of the card."""
        block = self.reading
        if block >= self.medium.blocks:
            self.reading = None
            self._status |= STATUS_OUT_OF_RANGE
            return bytes([OUT_OF_RANGE_TOKEN])
        self.reading = block + 1
        self.on_current(self.profile.read_na, cycle + 400 * 64)
        return self.on_wire(b"\xfe" + self._checked_block(block))

    def read_gap_us(self) -> int:
        """Time before the next block of a multiple read."""
        return self.profile.next_us + self._stall_us()

    def is_garbled(self) -> bool:
        """Whether the clock damages the block on the wire: the card may not run so fast, or the wires do not stand it."""
        every = self.injected.fast_noise_every if self.fast else 0
        if every:
            self._fast_blocks += 1
            if self._fast_blocks % every == 0:
                self.injected.flips_met += 1
                return True
        return self.too_fast

    def on_wire(self, payload: bytes) -> bytes:
        """The payload as it arrives: with a wrong bit when the clock is too fast."""
        if len(payload) < 3 or not self.is_garbled():
            return payload
        at = 1 + self._random.randrange(len(payload) - 1)
        return payload[:at] + bytes([payload[at] ^ 1 << self._random.randrange(8)]) + payload[at + 1 :]

    def _checked_block(self, block: int) -> bytes:
        """Data and CRC of a block, with injected damage: silent before the CRC is made, or on the wire after it."""
        self.on_block("sd_blocks_read")
        data = self._flipped(self.injected.silent_flips, block, self.medium.read(block))
        return self._flipped(self.injected.read_flips, block, data + registers.crc16(data))

    def _flipped(self, flips: list[tuple[int | None, int]], block: int | None, data: bytes) -> bytes:
        for flip in flips:
            where, bit = flip
            if where in (None, block):
                flips.remove(flip)
                self.flips_ahead += 1
                at = bit // 8 % len(data)
                return data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]
        return data

    def _stall_us(self) -> int:
        injected, self.injected.stall_us = self.injected.stall_us, 0
        if self._random.randrange(self.profile.stall_every):
            return injected
        return injected + self._random.randint(self.profile.stall_us // 4, self.profile.stall_us)

    def _command24(self, cycle: int, argument: int) -> Result:
        return self._start_write(argument, False)

    def _command25(self, cycle: int, argument: int) -> Result:
        return self._start_write(argument, True)

    def _start_write(self, argument: int, multiple: bool) -> Result:
        block = self._block(argument)
        if block is None:
            return Result(bytes([self._r1() | ADDRESS]))
        if block >= self.medium.blocks:
            self._status |= STATUS_OUT_OF_RANGE
            return Result(bytes([self._r1() | PARAMETER]))
        self.writing, self.writing_multiple, self._written = block, multiple, 0
        return self._ok()

    def store_block(self, data: bytes) -> tuple[int, int]:
        """Data response and busy time of a block that arrived whole."""
        block = self.writing
        self.on_block("sd_blocks_written")
        refused = self.injected.refuse_writes > 0
        self.injected.refuse_writes -= refused
        if self.write_protected or refused or block >= self.medium.blocks:
            self._status |= (STATUS_WRITE_PROTECTED if self.write_protected else
                             STATUS_ERROR if refused else STATUS_OUT_OF_RANGE)
            if not self.writing_multiple:
                self.writing = None
            return WRITE_ERROR, 0
        self._unsettled = (block, self.medium.read(block))
        self.medium.write(block, data)
        self._written += 1
        busy_us = (self.profile.write_us if self.writing_multiple else self.profile.single_write_us) + self._stall_us()
        self.writing = block + 1 if self.writing_multiple else None
        return ACCEPTED, busy_us

    def tear(self) -> None:
        """Power is lost amid the programming of the last block: its first part is new, the rest as it was."""
        block, before = self._unsettled
        at = self._random.randrange(len(before))
        self.medium.write(block, self.medium.read(block)[:at] + before[at:])

    def _command32(self, cycle: int, argument: int) -> Result:
        del cycle
        self._erase[0] = self._block(argument) or 0
        return self._ok()

    def _command33(self, cycle: int, argument: int) -> Result:
        del cycle
        self._erase[1] = self._block(argument) or 0
        return self._ok()

    def _command38(self, cycle: int, argument: int) -> Result:
        del cycle, argument
        first, last = self._erase
        if last >= self.medium.blocks or first > last:
            return Result(bytes([self._r1() | PARAMETER]))
        self.medium.erase(first, last)
        return self._ok(busy_us=self.profile.erase_us)
