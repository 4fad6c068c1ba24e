# SPDX-License-Identifier: GPL-2.0-or-later
"""Serial-wire debug port of the nRF52840 (ADIv5, DP version 1) with its two access ports.

Register layout after Arm IHI 0031 (ADIv5.2). Access errors are sticky, as on the wire: after a fault every access
fails until the debugger clears the error through ABORT.
"""

from .ctrl_ap import CtrlAp
from .mem_ap import AhbAp
from .target import BusFault, DebugTarget

_DPIDR, _ABORT, _CTRL_STAT, _SELECT, _RESEND, _RDBUFF = 0x0, 0x0, 0x4, 0x8, 0x8, 0xC

IDENTITY = 0x2BA01477
_STICKY_OVERRUN, _STICKY_COMPARE, _STICKY_ERROR, _READ_OK, _WRITE_ERROR = 1 << 1, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_POWER_REQUESTS = 1 << 28 | 1 << 30
_DEBUG_POWER_REQUEST = 1 << 28
#: Overrun detection, transaction mode and counter, mask lane, and the two power requests can be set.
_CTRL_WRITABLE = _POWER_REQUESTS | 0x00FFFF0D
#: Bit of ABORT -> status bits that it clears.
_CLEARS = {1 << 1: _STICKY_COMPARE, 1 << 2: _STICKY_ERROR, 1 << 3: _WRITE_ERROR, 1 << 4: _STICKY_OVERRUN}
_AHB_AP, _CTRL_AP = 0, 1


class TransferFault(Exception):  # noqa: N818 - the wire's word
    """The target answered FAULT: a sticky error is set, or the debug domain has no power."""


class Dap:
    """Debug port and access ports of one chip, by register address as a probe sends them (A[3:2])."""

    def __init__(self, target: DebugTarget) -> None:
        self.select = 0
        self._control = 0
        self._sticky = 0
        self._wire_control = 0
        self._read_buffer = 0
        self._ports: dict[int, AhbAp | CtrlAp] = {_AHB_AP: AhbAp(target), _CTRL_AP: CtrlAp(target)}

    def read_dp(self, addr: int) -> int:
        """The debug port register at `addr` (0, 4, 8, 12), address 4 by SELECT's bank."""
        register = addr & 0xC
        if register == _DPIDR:
            return IDENTITY
        if register == _CTRL_STAT:
            return self._banked_status()
        return self._read_buffer  # RESEND and RDBUFF both repeat the last result

    def write_dp(self, addr: int, value: int) -> None:
        """Write the debug port register at `addr`."""
        register = addr & 0xC
        if register == _ABORT:
            for bit, status in _CLEARS.items():
                if value & bit:
                    self._sticky &= ~status
        elif register == _SELECT:
            self.select = value
        elif register == _CTRL_STAT and not self.select & 0xF:
            self._control = value & _CTRL_WRITABLE
        elif register == _CTRL_STAT and self.select & 0xF == 1:
            self._wire_control = value

    def _banked_status(self) -> int:
        bank = self.select & 0xF
        if bank == 1:
            return self._wire_control
        if bank:
            return 0  # TARGETID and its neighbours came with version 2 of the debug port
        acknowledged = (self._control & _POWER_REQUESTS) << 1
        return self._control | acknowledged | self._sticky

    def read_ap(self, addr: int, count: int = 1) -> list[int]:
        """`count` successive reads of the selected port's register; raises `TransferFault`."""
        port, register = self._selected(addr)
        values = []
        for _ in range(count):
            values.append(self._guarded(lambda: port.read(register)) if port else 0)
        if values:
            self._read_buffer = values[-1]
        self._sticky |= _READ_OK
        return values

    def write_ap(self, addr: int, values: list[int]) -> None:
        """Successive writes to the selected port's register; raises `TransferFault`."""
        port, register = self._selected(addr)
        if port is None:
            return
        for value in values:
            self._guarded(lambda value=value: port.write(register, value & 0xFFFFFFFF))

    def _selected(self, addr: int) -> tuple[AhbAp | CtrlAp | None, int]:
        """Port and register by SELECT (port number, bank of four) and A[3:2]; absent ports read as zero."""
        if self._sticky & (_STICKY_ERROR | _STICKY_OVERRUN | _STICKY_COMPARE | _WRITE_ERROR):
            raise TransferFault("a sticky error is set; clear it through ABORT")
        if not self._control & _DEBUG_POWER_REQUEST:
            self._sticky |= _STICKY_ERROR
            raise TransferFault("the debug domain is not powered up")
        return self._ports.get(self.select >> 24), self.select & 0xF0 | addr & 0xC

    def _guarded(self, access):
        try:
            return access()
        except BusFault as fault:
            self._sticky = self._sticky & ~_READ_OK | _STICKY_ERROR
            raise TransferFault(str(fault)) from fault
