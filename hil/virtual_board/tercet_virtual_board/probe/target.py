# SPDX-License-Identifier: GPL-2.0-or-later
"""What the debug probe needs of the chip that it is wired to."""

from typing import Protocol


class BusFault(Exception):  # noqa: N818 - the wire's word
    """A debug access that the chip's bus answered with an error."""


class DebugTarget(Protocol):
    """The chip's side of the debug interface, as `tercet_virtual_board.debug.DebugPort` offers it.

    Every access may raise `BusFault`, which the probe turns into a sticky error on the wire.
    """

    @property
    def is_protected(self) -> bool:
        """Whether read-back protection (APPROTECT) closes the memory access port."""

    def read_memory(self, addr: int, size_bytes: int) -> bytes:
        """The bytes at `addr`."""

    def write_memory(self, addr: int, data: bytes) -> None:
        """Store bytes in RAM, or in registers that take narrow accesses."""

    def read_word(self, addr: int) -> int:
        """The aligned 32-bit word at `addr`: memory or register."""

    def write_word(self, addr: int, value: int) -> None:
        """Store an aligned 32-bit word: memory, flash (by the rules of the NVMC) or register."""

    def reset(self, halt_on_vector: bool, reason: int = 1) -> None:
        """Reset the chip, for a reason of RESETREAS (1 pin, 4 software); stop at the first instruction if asked to."""

    def erase_all(self) -> None:
        """Erase flash, UICR and RAM, as the control access port does."""
