# SPDX-License-Identifier: Apache-2.0
"""The energy of any MicroPython code: it runs in marked regions while the meter captures."""

from __future__ import annotations

import contextlib
import textwrap
from dataclasses import dataclass

import numpy as np

from tercet.board.base import Board
from tercet.capture import Capture
from tercet.errors import BoardError, TercetError
from tercet.measure import align, energy
from tercet.measure.energy import Measurement
from tercet.meter.base import Meter
from tercet.targets import Target

_BASELINE_MS = 50
# Needs nothing on the board but MicroPython: markers by the port's registers, three pulses, idle, regions, idle. A pause by
# chance before each region: were all sampled at the same places, their errors would be equal and show in no interval.
_PROGRAM = """
import gc, json
from machine import mem32
from time import sleep_ms, sleep_us, ticks_us, ticks_diff
from array import array
_d, _s, _c, _b = {registers}
mem32[_c] = 255 << _b
mem32[_d] = 255 << _b
_n = {regions}
_t = array('I', bytes(4 * _n))
{setup}
def _region(i):
{body}
def _empty(i):
    pass
gc.collect()
for _i in range(3):
    mem32[_s] = 1 << _b
    sleep_us(500)
    mem32[_c] = 1 << _b
    sleep_us(500)
sleep_ms({idle})
_r = 1
for _i in range(_n):
    _f = _empty if {empty} and _i & 1 else _region
    gc.collect()
    _r = 75 * _r % 65537
    sleep_us(_r % 100)
    mem32[_s] = 1 << _b
    _x = ticks_us()
    _f(_i)
    _t[_i] = ticks_diff(ticks_us(), _x)
    mem32[_c] = 1 << _b
sleep_ms({idle})
for _i in range(0, _n, 64):
    print('@tercet ' + json.dumps(dict(event='regions', first=_i, us=list(_t[_i:_i + 64]))))
"""


@dataclass(frozen=True)
class Metered:
    """What a metered program gave: `times_us` float [regions] by the board's clock, the capture, the energies of all regions."""

    measurement: Measurement
    capture: Capture
    times_us: np.ndarray

    def net_j(self, first: int = 0, step: int = 1) -> np.ndarray:
        """Net joules of every `step`-th region from `first` on."""
        return np.array([region.net_j for region in self.measurement.regions])[first::step]


def measure_code(
    board: Board, meter: Meter, target: Target, body: str, *, setup: str = "", regions: int = 10, subtract_empty: bool = False,
    pins: tuple[int, tuple[int, ...]] = (0, (1, 2, 3)), silence_s: float = 120.0,
) -> Metered:  # fmt: skip
    """Runs `body` (statements that may use `i`, the region's number) `regions` times, each in a marked region.

    With `subtract_empty` every second region is empty. Raises BoardError or MeterError; an INVALID measurement is returned with
    its causes.
    """
    if not target.markers:
        raise BoardError(f"{target.title} has no marker pins in its target file")
    program = _PROGRAM.format(
        registers=tuple(target.markers["registers"]), regions=regions, setup=textwrap.dedent(setup), idle=_BASELINE_MS,
        body=textwrap.indent(textwrap.dedent(body).strip() or "pass", "    "), empty=subtract_empty,
    )  # fmt: skip
    times = np.zeros(regions)
    meter.start()
    try:
        for event in board.run(program, silence_s=silence_s):
            if event.get("event") == "regions":
                times[event["first"] : event["first"] + len(event["us"])] = event["us"]
        meter.wait(align.PREAMBLE_PULSES + regions, round(_BASELINE_MS * 1e-3 * meter.capabilities.rate_hz), 10.0)
    except BaseException:
        abandon(meter)
        raise
    capture = meter.stop()
    found = align.find(capture, regions, region_pin=pins[0], phase_pins=pins[1], durations_s=times * 1e-6)
    return Metered(energy.measure(capture, found, idle_s=(_BASELINE_MS - 5) * 1e-3), capture, times)


def abandon(meter: Meter) -> None:
    """Ends a capture whose run failed; the run's error is the one to tell."""
    with contextlib.suppress(TercetError):
        meter.stop()
