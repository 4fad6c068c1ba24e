# SPDX-License-Identifier: Apache-2.0
"""The Power Profiler Kit II's bytes: its metadata and its samples.

Sample: uint32 little-endian; bits 0-13 ADC value, 14-16 range, 18-23 counter modulo 64, 24-31 logic D0..D7. With a as
ADC value, r as range, V as the set voltage and the metadata's constants:

    x = (4 a - O[r]) * (1.8 / 163840) / R[r]
    I = UG[r] * (x * (GS[r] * x + GI[r]) + S[r] * V + I[r])        amperes
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tercet.capture import NO_RANGE
from tercet.errors import MeterError

RATE_HZ = 100_000.0
RANGES = 5
_MODULUS = 64
_ADC_VOLTS = 1.8 / 163840
_ADC_MAX = (1 << 14) - 1
# the most that the instrument carries (user guide); beyond it, its figures are not to be believed
_MOST_A = 1.0
_DEFAULTS = {
    "R": (1031.64, 101.65, 10.15, 0.94, 0.043), "GS": (1.0,) * 5, "GI": (1.0,) * 5, "O": (0.0,) * 5, "S": (0.0,) * 5,
    "I": (0.0,) * 5, "UG": (1.0,) * 5,
}  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """The constants of a unit by key, each float64 [5], and what else its metadata said."""

    constants: dict[str, np.ndarray]
    text: dict[str, str]

    @property
    def identity(self) -> str:
        """Hardware number and a fingerprint of the calibration, which differs from unit to unit."""
        import hashlib

        values = np.concatenate([self.constants[key] for key in sorted(self.constants)])
        return f"PPK2 HW {self.text.get('HW', '?')} {hashlib.sha256(values.tobytes()).hexdigest()[:8]}"


def parse_metadata(text: str) -> Calibration:
    """The calibration in the text that ends with `END`.

    A constant that is missing or no number (`-nan` occurs) takes its default. Raises MeterError on text without any
    constant.
    """
    constants = {key: np.array(values) for key, values in _DEFAULTS.items()}
    rest: dict[str, str] = {}
    known = 0
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        match = re.fullmatch(r"(R|GS|GI|O|S|I|UG)([0-4])", key.strip())
        if not colon:
            continue
        if match is None:
            rest[key.strip()] = value.strip()
            continue
        known += 1
        try:
            number = float(value)
        except ValueError:
            continue
        if np.isfinite(number):
            constants[match[1]][int(match[2])] = number
    if not known:
        hint = "unplug the meter and plug it in again"
        raise MeterError(f"the meter's metadata holds no calibration: {text[:80]!r}", hint=hint)
    return Calibration(constants, rest)


def best_offset(data: bytes) -> int:
    """Where in `data` the first whole sample begins (0 to 3): the alignment at which the counters run on."""
    scores = []
    for offset in range(4):
        words = np.frombuffer(data[offset : offset + 4 * ((len(data) - offset) // 4)], "<u4")[:4096]
        counter = (words >> 18 & 63).astype(np.int64)
        steps = (counter[1:] - counter[:-1]) % _MODULUS
        scores.append(int(np.count_nonzero(steps == 1)))
    return int(np.argmax(scores))


@dataclass(frozen=True)
class Samples:
    """Decoded samples on an even time axis: lost ones are NaN with the last logic levels."""

    current_a: np.ndarray
    logic: np.ndarray
    range_index: np.ndarray
    saturated: np.ndarray
    gaps: int


def decode(data: bytes, calibration: Calibration, volts: float) -> Samples:
    """The samples in `data`, which begins with a whole one; what the counter shows as lost is filled in."""
    words = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
    adc = (words & 0x3FFF).astype(np.float64)
    ranges = np.minimum(words >> 14 & 7, RANGES - 1).astype(np.uint8)
    c = {key: values[ranges] for key, values in calibration.constants.items()}
    x = (4 * adc - c["O"]) * _ADC_VOLTS / c["R"]
    current = (c["UG"] * (x * (c["GS"] * x + c["GI"]) + c["S"] * volts + c["I"])).astype(np.float32)
    logic = (words >> 24).astype(np.uint8)
    saturated = ((words & 0x3FFF) == _ADC_MAX) | (current > _MOST_A)
    counter = (words >> 18 & 63).astype(np.int64)
    missing = (counter[1:] - counter[:-1] - 1) % _MODULUS
    gaps = np.flatnonzero(missing)
    if len(gaps):
        counts = missing[gaps]
        at = np.repeat(gaps + 1, counts)
        current = np.insert(current, at, np.nan)
        logic = np.insert(logic, at, np.repeat(logic[gaps], counts))
        ranges = np.insert(ranges, at, NO_RANGE)
        saturated = np.insert(saturated, at, False)
    return Samples(current, logic, ranges, saturated, len(gaps))
