# SPDX-License-Identifier: Apache-2.0
"""Energy of the regions of a run:

gross, baseline and net, with everything that makes a figure invalid. Pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.capture import NO_RANGE, Capture
from tercet.measure.align import Alignment, Region
from tercet.measure.statistics import Estimate, estimate

SCHEMA = "tercet-energy/1"
GUARD_SAMPLES = 5
_SETTLE_S = 0.002
SETTLING_SAMPLES = 3
_DOUBT_LIMIT = 0.01
_DRIFT_SHARE = 0.05
_DRIFT_A = 50e-6


@dataclass(frozen=True)
class Baseline:
    """The rail's current while the board idles between regions:

    mean, half of its 95 % interval, change from before to after.
    """

    current_a: float
    ci_a: float
    samples: int
    drift_a: float
    state: str = "idle"


@dataclass(frozen=True)
class RegionEnergy:
    """One region: `duration_s` by the meter's clock, charge, gross and net energy, and by phase code.

    `doubt` is the share of its charge that hangs on samples just after range switches; `edge_j` the net energy of one sample
    at its edges, each of which lies anywhere within a sample.
    """

    duration_s: float
    charge_c: float
    gross_j: float
    net_j: float
    range_switches: int
    doubt: float
    phases: dict[int, tuple[float, float]]  # code -> (seconds, gross joules)
    edge_j: float = 0.0


@dataclass(frozen=True)
class Measurement:
    """All regions of a run. `causes` names what makes it INVALID; empty means valid."""

    regions: tuple[RegionEnergy, ...]
    baseline: Baseline
    volts: float
    provenance: str
    causes: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether the figures may be used."""
        return not self.causes

    @property
    def gross(self) -> Estimate:
        """Joules a region."""
        return estimate(np.array([r.gross_j for r in self.regions]))

    @property
    def net(self) -> Estimate:
        """Joules a region above the baseline."""
        return estimate(np.array([r.net_j for r in self.regions]))

    @property
    def edge_variance(self) -> float:
        """Square joules: what the places of edges within samples add to a region's net energy, whatever the regions show.

        Regions of one length that a few rounds all sample as the same number of samples would show nothing. The length in samples
        falls to either side of the true one; averaged over all fractions f, f (1 - f) is 1/6 of a sample squared.
        """
        return float(np.median([r.edge_j for r in self.regions])) ** 2 / 6 if self.regions else 0.0

    @property
    def duration(self) -> Estimate:
        """Seconds a region."""
        return estimate(np.array([r.duration_s for r in self.regions]))


def baseline(capture: Capture, alignment: Alignment, idle_s: float) -> Baseline | None:
    """The mean of `idle_s` after the preamble and of `idle_s` after the last region; None without samples.

    The board needs a moment to fall asleep after each, and works again before the first region: neither counts.
    """
    if not alignment.regions:
        return None
    length = round(idle_s * capture.rate_hz)
    first, last = alignment.regions[0].first, alignment.regions[-1].last
    settle = round(_SETTLE_S * capture.rate_hz)
    asleep = alignment.preamble_end + settle
    before = _finite(capture.current_a[asleep : min(asleep + length, first)], GUARD_SAMPLES)
    after = _finite(capture.current_a[last + settle : last + settle + length], GUARD_SAMPLES)
    both = np.concatenate([before, after])
    if not len(both):
        return None
    # neighbouring samples are alike: the interval is that of means of 1 ms
    block = max(1, round(capture.rate_hz / 1000))
    means = both[: len(both) // block * block].reshape(-1, block).mean(axis=1) if len(both) >= 2 * block else both
    drift = float(after.mean() - before.mean()) if len(before) and len(after) else 0.0
    return Baseline(float(both.mean()), estimate(means).ci if len(means) > 1 else 0.0, len(both), drift)


def _finite(values: np.ndarray, guard: int) -> np.ndarray:
    part = values[guard : len(values) - guard].astype(np.float64)
    return part[~np.isnan(part)]


def settling_charge(capture: Capture, region: Region) -> tuple[int, float]:
    """(range switches, coulombs in doubt) of a region.

    A meter's first samples after a switch are not settled. What lies between the currents before and after is a step inside a
    sample, or a lag, which rises and falls cancel; in doubt is what lies outside: spikes, which are added to the charge.
    """
    part = slice(region.first, region.last)
    ranges = capture.range_index[part].astype(np.int64)
    switches = np.flatnonzero((ranges[1:] != ranges[:-1]) & (ranges[1:] != NO_RANGE) & (ranges[:-1] != NO_RANGE)) + 1
    current = np.nan_to_num(capture.current_a[part].astype(np.float64))
    doubt = 0.0
    for index, at in enumerate(switches):
        following = switches[index + 1] - 1 if index + 1 < len(switches) else len(current)
        end = min(at + SETTLING_SAMPLES, len(current) - 1, following)
        if end > at:
            low, high = sorted((current[at - 1], current[end]))
            doubt += float(np.maximum(current[at:end] - high, 0).sum() + np.maximum(low - current[at:end], 0).sum())
    return len(switches), doubt / capture.rate_hz


def _region(capture: Capture, region: Region, volts: float, idle_a: float) -> RegionEnergy:
    def charge_of(first: int, last: int) -> float:
        return float(np.nansum(capture.current_a[first:last].astype(np.float64))) / capture.rate_hz

    charge = charge_of(region.first, region.last)
    seconds = region.samples / capture.rate_hz
    switches, doubt = settling_charge(capture, region)
    phases: dict[int, tuple[float, float]] = {}
    for code, first, last in region.phases:
        time, energy = phases.get(code, (0.0, 0.0))
        phases[code] = (time + (last - first) / capture.rate_hz, energy + volts * charge_of(first, last))
    edges = [charge_of(region.first, region.first + 1), charge_of(region.last - 1, region.last)]
    return RegionEnergy(
        seconds, charge, volts * charge, volts * (charge - idle_a * seconds), switches,
        doubt / abs(charge) if charge else 0.0, phases, volts * abs(sum(edges) / 2 - idle_a / capture.rate_hz),
    )  # fmt: skip


def measure(capture: Capture, alignment: Alignment, *, idle_s: float = 0.045) -> Measurement:
    """The energies of an alignment's regions, and every cause that makes them INVALID.

    Causes: those of the alignment, `lost_samples`, `saturation`, `range_switching`, `unknown_voltage`, `usb_on_rail`,
    `baseline_drift`, `no_baseline`, `stream`.
    """
    causes = list(alignment.causes) + [f"stream: {problem}" for problem in capture.problems]
    if capture.volts is None:
        causes.append("unknown_voltage: the bench does not say the rail's voltage")
    if capture.usb_on_rail and capture.mode == "source":
        causes.append("usb_on_rail: USB feeds the measured rail, the meter sees only a part of the current")
    volts = capture.volts or 0.0
    idle = baseline(capture, alignment, idle_s)
    if idle is None:
        causes.append("no_baseline: no idle samples before or after the regions")
        idle = Baseline(0.0, 0.0, 0, 0.0)
    elif abs(idle.drift_a) > max(_DRIFT_SHARE * abs(idle.current_a), _DRIFT_A):
        causes.append(f"baseline_drift: idle current changed by {idle.drift_a * 1e6:+.0f} uA from before to after")
    regions = tuple(_region(capture, region, volts, idle.current_a) for region in alignment.regions)
    return Measurement(regions, idle, volts, capture.provenance, (*causes, *_damage(capture, alignment, regions)))


def _damage(capture: Capture, alignment: Alignment, regions: tuple[RegionEnergy, ...]) -> list[str]:
    """What the samples themselves say, from the first region to the last."""
    if not alignment.regions:
        return []
    causes = []
    span = slice(max(alignment.regions[0].first - GUARD_SAMPLES, 0), alignment.regions[-1].last + GUARD_SAMPLES)
    if lost := int(np.count_nonzero(np.isnan(capture.current_a[span]))):
        causes.append(f"lost_samples: {lost} samples never arrived")
    if full := int(np.count_nonzero(capture.saturated[span])):
        causes.append(f"saturation: {full} samples at the end of the meter's range")
    worst = max(regions, key=lambda r: r.doubt)
    if worst.doubt > _DOUBT_LIMIT:
        causes.append(f"range_switching: {worst.doubt:.1%} of a region's charge hangs on unsettled samples")
    return causes


def to_body(measurement: Measurement, phase_names: dict[int, str] | None = None) -> dict[str, Any]:
    """The JSON body of energy.json: per region and per phase, joules and seconds."""
    names = phase_names or {}
    phases: dict[str, dict[str, float]] = {}
    count = max(1, len(measurement.regions))
    for region in measurement.regions:
        for code, (seconds, joules) in region.phases.items():
            entry = phases.setdefault(names.get(code, f"phase {code}"), {"time_s": 0.0, "gross_j": 0.0, "net_j": 0.0})
            entry["time_s"] += seconds / count
            entry["gross_j"] += joules / count
            entry["net_j"] += (joules - measurement.baseline.current_a * measurement.volts * seconds) / count
    return {
        "valid": measurement.valid, "causes": list(measurement.causes), "provenance": measurement.provenance,
        "regions": len(measurement.regions), "volts": measurement.volts,
        "baseline": {
            "state": measurement.baseline.state, "current_a": measurement.baseline.current_a,
            "power_w": measurement.baseline.current_a * measurement.volts, "ci_a": measurement.baseline.ci_a,
        },
        "gross_j": _estimate_body(measurement.gross), "net_j": _estimate_body(measurement.net),
        "duration_s": _estimate_body(measurement.duration),
        "phases": phases,
        "range_switches": sum(r.range_switches for r in measurement.regions),
    }  # fmt: skip


def _estimate_body(value: Estimate) -> dict[str, Any] | None:
    if not value.count:
        return None
    return {"mean": value.mean, "ci": value.ci if np.isfinite(value.ci) else None, "count": value.count}
