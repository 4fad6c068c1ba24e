# SPDX-License-Identifier: GPL-2.0-or-later
"""How virtual time relates to the wall clock."""

import time

CYCLES_PER_S = 64_000_000
SLIP_S = 1.0  # a host that is this late gives up catching up
IDLE_LEAD_S = 1.0  # virtual time by which pure idling may run ahead


class Pace:
    """Says how long to wait before the next slice.

    `realtime` holds virtual time to the wall clock. `max` runs as fast as the host allows while the board works; once
    it has slept for `IDLE_LEAD_S` without any exchange (console, card, probe), it waits for the wall clock, because
    whoever it waits for lives there. `alone`: nobody does, as with an end that is set beforehand.
    """

    def __init__(self, realtime: bool, alone: bool = False):
        self._realtime, self._alone = realtime, alone
        self._origin: tuple[float, int] | None = None
        self._active_cycle = 0
        self._last = (0, 0)

    def exchanged(self, cycle: int) -> None:
        """Notes that the board exchanged something with the world."""
        self._active_cycle = cycle
        if not self._realtime:
            self._origin = None

    def wait_s(self, cycle: int, slept_cycles: int) -> float:
        """Seconds of wall time to wait now, 0 for none."""
        passed, slept = cycle - self._last[0], slept_cycles - self._last[1]
        self._last = (cycle, slept_cycles)
        if self._alone and not self._realtime:
            return 0.0
        if not self._realtime:
            if slept * 2 < passed:
                self.exchanged(cycle)
            if cycle - self._active_cycle < IDLE_LEAD_S * CYCLES_PER_S:
                return 0.0
        now = time.monotonic()
        if self._origin is None:
            self._origin = (now, cycle)
        ahead = (cycle - self._origin[1]) / CYCLES_PER_S - (now - self._origin[0])
        if ahead < -SLIP_S:
            self._origin = (now, cycle)
        return max(0.0, ahead)
