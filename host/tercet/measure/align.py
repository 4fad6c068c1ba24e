# SPDX-License-Identifier: Apache-2.0
"""Finds in a capture's logic levels where each region of a run lies, and checks them against the run's own record."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tercet.capture import Capture

PREAMBLE_PULSES = 3
_PREAMBLE_S = (0.0002, 0.005)
_PREAMBLE_RATIO = 1.5
# What the clocks of a board and a meter may differ by (two crystals, generously), and what an edge may be off.
_DRIFT_LIMIT = 1e-3
_EDGE_SLACK_S = 40e-6


@dataclass(frozen=True)
class Region:
    """Samples `first` up to, not including, `last`; `phases` splits them as (phase code, first, last)."""

    first: int
    last: int
    phases: tuple[tuple[int, int, int], ...] = ()

    @property
    def samples(self) -> int:
        """The number of its samples."""
        return self.last - self.first


@dataclass(frozen=True)
class ClockFit:
    """Device time against meter time:

    meter seconds = `slope` * device seconds + `offset_s`; `residual_s` [n] per region.
    """

    slope: float
    offset_s: float
    residual_s: np.ndarray

    @property
    def drift_ppm(self) -> float:
        """How much faster the meter's clock runs."""
        return (self.slope - 1) * 1e6


@dataclass(frozen=True)
class Alignment:
    """The regions of a run in a capture, after its preamble.

    `causes` names what makes them unusable (empty: nothing).
    """

    regions: tuple[Region, ...]
    preamble_end: int
    causes: tuple[str, ...] = ()
    clock: ClockFit | None = None
    bounds: tuple[Region, ...] = field(default=(), repr=False)


def pulses(capture: Capture, pin: int) -> np.ndarray:
    """int [n, 2]:

    first and one past the last sample of each run of high levels on `pin`; an unfinished one is left out.
    """
    level = (capture.logic >> pin & 1).astype(np.int8)
    change = np.diff(level, prepend=np.int8(0))
    rises, falls = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return np.stack([rises[: len(falls)], falls], axis=1)


def find(
    capture: Capture, expected: int, *, region_pin: int = 0, phase_pins: tuple[int, ...] = (1, 2, 3),
    durations_s: np.ndarray | None = None,
) -> Alignment:  # fmt: skip
    """The `expected` regions after the preamble.

    `durations_s` float [expected] are the regions' lengths by the device's clock; they reveal losses of whole turns
    of the meter's counter. Causes: `no_edges`, `no_preamble`, `edge_count`, `clock`.
    """
    found = pulses(capture, region_pin)
    if not len(found):
        return Alignment((), 0, ("no_edges: no level change on the region pin: is it wired?",))
    at = _preamble(found, capture.rate_hz)
    if at is None:
        return Alignment((), 0, ("no_preamble: the three pulses that begin a run are not in the capture",))
    body = found[at + PREAMBLE_PULSES :]
    end = int(found[at + PREAMBLE_PULSES - 1, 1])
    regions = tuple(Region(int(a), int(b), _phases(capture.logic[a:b], int(a), phase_pins)) for a, b in body)
    causes = []
    if len(regions) != expected:
        causes.append(f"edge_count: {len(regions)} regions in the capture, the run made {expected}")
    clock = None
    if durations_s is not None and len(regions) == expected == len(durations_s) and expected:
        clock = fit_clock(np.array([r.samples for r in regions]) / capture.rate_hz, np.asarray(durations_s, float))
        worst = int(np.argmax(np.abs(clock.residual_s)))
        if abs(clock.residual_s[worst]) > _EDGE_SLACK_S:
            excess = f"{clock.residual_s[worst] * 1e6:+.0f} us"
            causes.append(f"clock: region {worst} lasts {excess} more by the meter than by the board")
    return Alignment(regions, end, tuple(causes), clock)


def _preamble(found: np.ndarray, rate_hz: float) -> int | None:
    """The index of the first of three equal short pulses."""
    width = (found[:, 1] - found[:, 0]) / rate_hz
    for i in range(len(found) - PREAMBLE_PULSES + 1):
        three = width[i : i + PREAMBLE_PULSES]
        pauses = (found[i + 1 : i + PREAMBLE_PULSES, 0] - found[i : i + PREAMBLE_PULSES - 1, 1]) / rate_hz
        together = np.concatenate([three, pauses])
        limits = _PREAMBLE_S[0] <= together.min() and together.max() <= _PREAMBLE_S[1]
        if limits and together.max() <= _PREAMBLE_RATIO * together.min():
            return i
    return None


def _phases(logic: np.ndarray, first: int, pins: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """Runs of equal phase codes."""
    code = np.zeros(len(logic), np.uint8)
    for bit, pin in enumerate(pins):
        code |= (logic >> pin & 1) << bit
    edges = np.flatnonzero(np.diff(code)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(code)]])
    return tuple((int(code[a]), first + int(a), first + int(b)) for a, b in zip(starts, stops, strict=True))


def fit_clock(meter_s: np.ndarray, device_s: np.ndarray) -> ClockFit:
    """The line through lengths by the meter and by the device, both float [n], that most of them lie on.

    Slopes beyond what two crystals can differ by are not believed. With fewer than three lengths, or lengths too
    alike to tell a slope from an offset (an edge's 10 us over a fifth of a length move the line's foot by 50 us), the slope
    is 1. The offset is the time that marking itself takes.
    """
    slope = 1.0
    spread = float(device_s.max() - device_s.min())
    if len(device_s) >= 3 and spread > max(0.01, 0.2 * float(np.median(device_s))):
        i, j = np.triu_indices(len(device_s), 1)
        apart = np.abs(device_s[i] - device_s[j]) > spread / 4
        ratios = (meter_s[i] - meter_s[j])[apart] / (device_s[i] - device_s[j])[apart]
        slope = float(np.clip(np.median(ratios), 1 - _DRIFT_LIMIT, 1 + _DRIFT_LIMIT))
    offset = float(np.median(meter_s - slope * device_s))
    # marking takes some microseconds, never more than the slack: a larger offset is a loss in every region
    offset = float(np.clip(offset, -_EDGE_SLACK_S, 2.5 * _EDGE_SLACK_S))
    return ClockFit(slope, offset, meter_s - slope * device_s - offset)
