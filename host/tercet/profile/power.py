# SPDX-License-Identifier: Apache-2.0
"""What an idle board draws, by what its core does meanwhile."""

from __future__ import annotations

from tercet.board.base import Board
from tercet.errors import MeterError
from tercet.meter.base import Meter
from tercet.profile.region import measure_code
from tercet.targets import Target

# state -> 20 ms of it
STATES = {
    "sleep": "sleep_ms(20)",
    "poll": "t = ticks_us()\nwhile ticks_diff(ticks_us(), t) < 20000:\n    pass",
}
_REGIONS = 10


def states(board: Board, meter: Meter, target: Target, pins: tuple[int, tuple[int, ...]]) -> dict[str, float]:
    """Milliwatts of the rail by state: `sleep`, the core stopped until an interrupt, and `poll`, Python waiting in a loop.

    Raises MeterError when a measurement is INVALID.
    """
    found = {}
    for name, code in STATES.items():
        measurement = measure_code(board, meter, target, code, regions=_REGIONS, pins=pins).measurement
        if not measurement.valid:
            raise MeterError(f"the power of state {name} is INVALID: {'; '.join(measurement.causes)}")
        found[name] = 1e3 * measurement.gross.mean / measurement.duration.mean
    return found
