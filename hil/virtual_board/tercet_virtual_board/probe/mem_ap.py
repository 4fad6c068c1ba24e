# SPDX-License-Identifier: GPL-2.0-or-later
"""AHB-AP of a Cortex-M4: the window through which a debugger reads and writes the chip's bus."""

from .target import BusFault, DebugTarget

CSW, TAR, DRW, BD0, BD3, CFG, BASE, IDR = 0x00, 0x04, 0x0C, 0x10, 0x1C, 0xF4, 0xF8, 0xFC

#: Arm 100166 (Cortex-M4 TRM), AHB-AP: reset value of CSW, and the fields that a debugger can change
#: (master type, HPROT, address increment, size).
_CSW_RESET, _CSW_WRITABLE = 0x43800042, 0x2F000037
_CSW_DEVICE_ENABLED = 1 << 6
_SIZE, _INCREMENT, _INCREMENT_SHIFT = 0x7, 0x30, 4
_WORD, _RESERVED_SIZE = 2, 3
_PACKED = 2
_IDENTITY = 0x24770011
_ROM_TABLE = 0xE00FF000
#: The auto-increment carries into the lower 12 bits only: bursts must not cross 4 KB.
_WRAP = 0x1000


class AhbAp:
    """Registers of the memory access port; `read` and `write` take the register's offset in the port."""

    def __init__(self, target: DebugTarget) -> None:
        self._target = target
        self.csw = _CSW_RESET
        self.tar = 0

    def read(self, register: int) -> int:
        """The register's value. Raises `BusFault` when DRW or BDn touch a bus address that faults."""
        if register == CSW:
            enabled = 0 if self._target.is_protected else _CSW_DEVICE_ENABLED
            return self.csw & ~_CSW_DEVICE_ENABLED | enabled
        if register == TAR:
            return self.tar
        if register == DRW:
            value = self._load(self.tar, self._access_bytes())
            self._advance()
            return value
        if BD0 <= register <= BD3:
            return self._load(self.tar & ~0xF | register & 0xC, 4)
        return {CFG: 0, BASE: _ROM_TABLE | 0x3, IDR: _IDENTITY}.get(register, 0)

    def write(self, register: int, value: int) -> None:
        """Set the register; DRW and BDn write to the bus (`BusFault` when it faults)."""
        if register == CSW:
            if value & _SIZE >= _RESERVED_SIZE:  # an unsupported size leaves the field as it was
                value = value & ~_SIZE | self.csw & _SIZE
            self.csw = self.csw & ~_CSW_WRITABLE | value & _CSW_WRITABLE
        elif register == TAR:
            self.tar = value
        elif register == DRW:
            self._store(self.tar, self._access_bytes(), value)
            self._advance()
        elif BD0 <= register <= BD3:
            self._store(self.tar & ~0xF | register & 0xC, 4, value)

    def _access_bytes(self) -> int:
        """Bytes that one DRW access moves: packed transfers fill the whole word."""
        if (self.csw & _INCREMENT) >> _INCREMENT_SHIFT == _PACKED:
            return 4
        return 1 << (self.csw & _SIZE)

    def _advance(self) -> None:
        if self.csw & _INCREMENT:
            offset = (self.tar + self._access_bytes()) % _WRAP
            self.tar = self.tar - self.tar % _WRAP + offset

    def _load(self, addr: int, size_bytes: int) -> int:
        """The data lanes of a read: narrow values stand where they lie in the word."""
        self._check(addr, size_bytes)
        if size_bytes == 4:
            return self._target.read_word(addr)
        value = int.from_bytes(self._target.read_memory(addr, size_bytes), "little")
        return value << 8 * (addr & 3)

    def _store(self, addr: int, size_bytes: int, value: int) -> None:
        self._check(addr, size_bytes)
        if size_bytes == 4:
            self._target.write_word(addr, value)
        else:
            lane = (value >> 8 * (addr & 3)).to_bytes(4, "little")[:size_bytes]
            self._target.write_memory(addr, lane)

    def _check(self, addr: int, size_bytes: int) -> None:
        if self._target.is_protected:
            raise BusFault(f"access to 0x{addr:08x} refused: APPROTECT is enabled")
        if addr % size_bytes:
            raise BusFault(f"{size_bytes}-byte access to 0x{addr:08x} is not aligned")
