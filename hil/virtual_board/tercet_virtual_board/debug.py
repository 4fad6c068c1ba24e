# SPDX-License-Identifier: GPL-2.0-or-later
"""What a debug probe can do to the chip, behind its access ports."""

import ctypes as c

from tercet_virtual_board.engine import Chip
from tercet_virtual_board.probe.target import BusFault

DHCSR, DEMCR, DFSR, DCRSR, DCRDR, AIRCR = 0xE000EDF0, 0xE000EDFC, 0xE000ED30, 0xE000EDF4, 0xE000EDF8, 0xE000ED0C
VC_CORERESET = 1


class DebugPort:
    """The debug side of a chip.

    All debug registers of the system control space (DHCSR, DCRSR, DCRDR, DEMCR, DFSR, AIRCR, FPB, DWT, ROM table,
    component ids) live in the chip and are reached by `read_word` and `write_word` like any other address; a probe's
    AHB-AP needs nothing else. The other methods are shortcuts through the same registers.
    """

    def __init__(self, chip: Chip):
        self.chip = chip

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes from memory or (up to 4 bytes, aligned) from a register. Raises BusFault."""
        buffer = c.create_string_buffer(size)
        if self.chip.call("bus_read", address, buffer, size):
            raise BusFault(f"bus fault at 0x{address:08x}")
        return buffer.raw

    def write_memory(self, address: int, data: bytes) -> None:
        """Writes RAM, a register, or flash (a word at a time, with NVMC.CONFIG enabled). Raises BusFault."""
        if self.chip.call("bus_write", address, bytes(data), len(data)):
            raise BusFault(f"bus fault at 0x{address:08x}")

    def read_word(self, address: int) -> int:
        """The 32-bit word at an address. Raises BusFault."""
        return int.from_bytes(self.read_memory(address, 4), "little")

    def write_word(self, address: int, value: int) -> None:
        """Writes a 32-bit word. Raises BusFault."""
        self.write_memory(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    @property
    def is_protected(self) -> bool:
        """Whether UICR.APPROTECT closes the memory access port (any value but 0xFF in its low byte)."""
        return bool(self.chip.view().protected)

    @property
    def is_halted(self) -> bool:
        """True while the core is halted for the debugger."""
        return bool(self.chip.view().halted)

    @property
    def is_locked_up(self) -> bool:
        """True while the core is locked up (for instance after a reset into erased flash)."""
        return bool(self.chip.view().locked_up)

    def halt(self) -> None:
        """Halts the core."""
        self.write_word(DHCSR, 0xA05F0003)

    def resume(self) -> None:
        """Lets the core run; it does so when the chip runs next."""
        self.write_word(DHCSR, 0xA05F0001)

    def step(self, mask_interrupts: bool = True) -> None:
        """Executes one instruction and is halted again. With `mask_interrupts`, none is taken meanwhile."""
        self.write_word(DHCSR, 0xA05F000D if mask_interrupts else 0xA05F0005)
        while not self.is_halted:
            self.chip.run(self.chip.view().cycle + 1000)

    def read_register(self, number: int) -> int:
        """A core register by its DCRSR number: 0-15, 16 xPSR, 17 MSP, 18 PSP, 20 CONTROL/FAULTMASK/BASEPRI/PRIMASK,
        33 FPSCR, 64-95 S0-S31."""
        return self.chip.call("register_read", number)

    def write_register(self, number: int, value: int) -> None:
        """Writes a core register; numbers as in `read_register`."""
        self.chip.call("register_write", number, value & 0xFFFFFFFF)

    def reset(self, halt_on_vector: bool = False, reason: int = 1) -> None:
        """Resets the chip as its reset pin does (`reason`: the RESETREAS bits; 1 pin, 4 software)."""
        if halt_on_vector:
            self.write_word(DHCSR, 0xA05F0001)
            self.write_word(DEMCR, self.read_word(DEMCR) | VC_CORERESET)
        self.chip.call("reset", reason)

    def erase_all(self) -> None:
        """Erases flash and UICR, as CTRL-AP's ERASEALL does."""
        self.chip.call("erase_all")
