# SPDX-License-Identifier: GPL-2.0-or-later
"""Nordic's control access port: soft reset, mass erase and the state of the read-back protection.

Registers after the nRF52840 Product Specification 1.7, section "CTRL-AP - Control access port". It stays open when
APPROTECT closes the memory access port, so a locked chip can be recovered by erasing it.
"""

from .target import BusFault, DebugTarget

RESET, ERASEALL, ERASEALLSTATUS, APPROTECTSTATUS, IDR = 0x00, 0x04, 0x08, 0x0C, 0xFC

_IDENTITY = 0x12880000
_NVMC_READY = 0x4001E400
_SOFT_RESET = 4  # RESETREAS.SREQ


class CtrlAp:
    """Registers of the control access port; `read` and `write` take the register's offset in the port."""

    def __init__(self, target: DebugTarget) -> None:
        self._target = target
        self._reset = 0
        self._erase_all = 0

    def read(self, register: int) -> int:
        """The register's value; unknown registers read as zero."""
        if register == RESET:
            return self._reset
        if register == ERASEALL:
            return self._erase_all
        if register == ERASEALLSTATUS:
            return 1 if self._is_busy() else 0
        if register == APPROTECTSTATUS:
            return 0 if self._target.is_protected else 1
        return _IDENTITY if register == IDR else 0

    def write(self, register: int, value: int) -> None:
        """Act on a rising bit 0 of RESET or ERASEALL."""
        if register == RESET:
            rising = value & 1 and not self._reset
            self._reset = value & 1
            if rising:
                self._target.reset(False, _SOFT_RESET)
        elif register == ERASEALL:
            rising = value & 1 and not self._erase_all
            self._erase_all = value & 1
            if rising:
                self._target.erase_all()

    def _is_busy(self) -> bool:
        try:
            return not self._target.read_word(_NVMC_READY) & 1
        except BusFault:
            return False
