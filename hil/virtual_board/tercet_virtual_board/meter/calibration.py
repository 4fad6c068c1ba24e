# SPDX-License-Identifier: GPL-2.0-or-later
"""Calibration constants of one instrument, and the metadata text in which it tells them to the host.

The instrument's law, with a as ADC value, r as range, V as the set voltage in volts (constants: metadata keys):

    x = (4 a - O[r]) * (1.8 / 163840) / R[r]          amperes
    I = UG[r] * (x * (GS[r] * x + GI[r]) + S[r] * V + I[r])
"""

from dataclasses import dataclass

import numpy as np

RANGES = 5
_ADC_VOLTS = 1.8 / 163840
ADC_MAX = (1 << 14) - 1

#: Typical magnitudes per range: shunt (ohm), quadratic gain (1/A), gain, ADC offset (counts), leakage per volt (A/V)
#: and leakage (A). The shunts are the protocol's defaults; the others are the order of magnitude of published
#: metadata dumps of real units, spread per unit by `Calibration.of_unit`.
_R = (1031.64, 101.65, 10.15, 0.94, 0.043)
_GS = (0.0, 110.0, 18.0, 2.4, 0.07)
_GI = (1.0, 0.970, 0.962, 0.955, 0.960)
_O = (110.0, 80.0, 65.0, 55.0, 85.0)
_S = (4.8e-8, 6.0e-7, 5.3e-6, 6.3e-5, 2.9e-3)
_I = (-1.0e-7, -1.4e-6, 3.6e-5, -3.7e-4, -9.4e-3)


@dataclass(frozen=True)
class Calibration:
    """Constants of one unit, each an array over the five ranges."""

    R: np.ndarray
    GS: np.ndarray
    GI: np.ndarray
    O: np.ndarray  # noqa: E741 - the protocol's own name
    S: np.ndarray
    I: np.ndarray  # noqa: E741 - the protocol's own name

    @classmethod
    def of_unit(cls, seed: int) -> "Calibration":
        """The constants of the unit with this seed: typical values spread by a few per cent, as units differ.

        They are rounded to the digits that the metadata carries, so that the host can know them exactly.
        """
        rng = np.random.default_rng([seed, 0xCA1])

        def spread(typical: tuple[float, ...], share: float, digits: int) -> np.ndarray:
            return np.round(np.array(typical) * (1 + share * rng.uniform(-1, 1, RANGES)), digits)

        return cls(R=spread(_R, 0.04, 4), GS=spread(_GS, 0.1, 4), GI=spread(_GI, 0.01, 4), O=spread(_O, 0.3, 4),
                   S=spread(_S, 0.2, 9), I=spread(_I, 0.2, 9))

    def adc_values(self, amperes: np.ndarray, ranges: np.ndarray, volts: float) -> np.ndarray:
        """The exact (unrounded) ADC values that a current gives in each sample's range: the law above, inverted."""
        y = amperes - (self.S[ranges] * volts + self.I[ranges])
        discriminant = np.maximum(self.GI[ranges] ** 2 + 4 * self.GS[ranges] * y, 0.0)
        x = 2 * y / (self.GI[ranges] + np.sqrt(discriminant))
        return (x * self.R[ranges] / _ADC_VOLTS + self.O[ranges]) / 4

    def metadata(self, user_gains: np.ndarray, source_mv: int, mode: int) -> bytes:
        """The text that answers the metadata command: `KEY: VALUE` lines, closed by `END`."""
        lines = ["Calibrated: 0"]
        for key, digits in (("R", 4), ("GS", 4), ("GI", 4), ("O", 4)):
            lines += [f"{key}{r}: {value:.{digits}f}" for r, value in enumerate(getattr(self, key))]
        lines += [f"VDD: {source_mv}", "HW: 9173", f"mode: {mode}"]
        for key in ("S", "I"):
            lines += [f"{key}{r}: {value:.9f}" for r, value in enumerate(getattr(self, key))]
        lines += [f"UG{r}: {value:.4f}" for r, value in enumerate(user_gains)]
        return ("\n".join([*lines, "IA: 56", "END"]) + "\n").encode("ascii")
