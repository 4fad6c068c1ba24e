# SPDX-License-Identifier: Apache-2.0
"""PASS, FAIL or INVALID of an energy measurement against a limit or a baseline, and of one variant against another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.errors import InputError
from tercet.measure.energy import Measurement
from tercet.measure.statistics import Estimate, difference

PASS, FAIL, INVALID = "PASS", "FAIL", "INVALID"


@dataclass(frozen=True)
class Verdict:
    """`outcome` is PASS, FAIL or INVALID (which is an error, neither); `reasons` say why."""

    outcome: str
    reasons: tuple[str, ...]
    value_uj: float | None = None
    ci_uj: float | None = None


def judge(
    measurement: Measurement | None, *, max_uj: float | None = None, baseline_uj: float | None = None,
    tolerance: float = 0.05, quantity: str = "net",
) -> Verdict:  # fmt: skip
    """The verdict on the mean energy of a region.

    `max_uj` is an upper limit, `baseline_uj` an earlier figure of which it may differ upwards by `tolerance` (a share).
    `quantity` is `net` or `gross`. No measurement, or one with causes, is INVALID.
    """
    if max_uj is None and baseline_uj is None:
        raise InputError("an energy verdict needs max_uj or a baseline")
    if measurement is None:
        return Verdict(INVALID, ("meter_silent: the meter that the bench declares did not answer",))
    if not measurement.valid or not measurement.regions:
        return Verdict(INVALID, measurement.causes or ("edge_count: no region was measured",))
    found: Estimate = getattr(measurement, quantity)
    value, ci = found.mean * 1e6, found.ci * 1e6
    reasons = []
    if max_uj is not None and value > max_uj:
        reasons.append(f"{value:.3f} uJ {quantity}, the limit is {max_uj:g} uJ")
    if baseline_uj is not None and value > baseline_uj * (1 + tolerance):
        reasons.append(f"{value:.3f} uJ {quantity}, {value / baseline_uj - 1:+.1%} against {baseline_uj:.3f} uJ")
    return Verdict(FAIL if reasons else PASS, tuple(reasons), value, ci if np.isfinite(ci) else None)


@dataclass(frozen=True)
class Comparison:
    """B against A: relative change of the mean, half of its 95 % interval, and whether it excludes no change."""

    change: float
    ci: float
    significant: bool


def compare(a: np.ndarray, b: np.ndarray) -> Comparison:
    """The change from float [n] to float [m] by Welch's t interval."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if len(a) < 2 or len(b) < 2:
        raise InputError(f"a comparison needs two values on each side, not {len(a)} and {len(b)}")
    found = difference(b, a)
    change, half = found.mean / float(a.mean()), found.ci / abs(float(a.mean()))
    return Comparison(change, half, abs(change) > half)
