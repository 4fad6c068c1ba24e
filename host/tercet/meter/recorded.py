# SPDX-License-Identifier: Apache-2.0
"""A capture on disk in the place of a meter: the same analysis again, without the instrument."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tercet import capture as captures
from tercet.capture import Capture
from tercet.errors import MeterError
from tercet.meter.base import Capabilities, Wiring


class Recorded:
    """Gives the capture in the file `port` at each `stop`; its provenance is the recording's."""

    def __init__(self, wiring: Wiring, region_pin: int = 0) -> None:
        self._capture = captures.load(Path(wiring.port))
        self._pin = region_pin
        self._running = False

    @property
    def capabilities(self) -> Capabilities:
        """Those of the meter that recorded."""
        c = self._capture
        measured = c.provenance == "measured"
        return Capabilities(c.meter, c.rate_hz, c.logic_inputs, c.volts_v is not None, False, measured)

    def arm(self) -> None:
        """A recording is always ready."""

    def start(self) -> None:
        """Begins."""
        self._running = True

    def wait(self, edges: int, tail_samples: int, silence_s: float) -> int:
        """The rising edges of the region pin in the whole recording."""
        del edges, tail_samples, silence_s
        levels = (self._capture.logic >> self._pin & 1).astype(np.int8)
        return int(np.count_nonzero(np.diff(levels, prepend=np.int8(0)) == 1))

    def stop(self) -> Capture:
        """The recording."""
        if not self._running:
            raise MeterError("no capture is running")
        self._running = False
        return self._capture

    def power(self, on: bool) -> None:
        """A recording powers nothing."""
        raise MeterError("a recording cannot switch the board's supply", hint=f"asked for: {'on' if on else 'off'}")

    def close(self) -> None:
        """Nothing to release."""
