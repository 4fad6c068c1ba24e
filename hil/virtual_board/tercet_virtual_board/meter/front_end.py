# SPDX-License-Identifier: GPL-2.0-or-later
"""The analogue side of the meter: range switching, settling after a switch, noise and quantisation."""

import numpy as np

from .calibration import ADC_MAX, RANGES, Calibration

#: Upper ends of ranges 0 to 3 in microamperes (the vendor's range table). Switching down waits until the current is
#: well below; the share is our assumption, as the vendor states none.
_UP_UA = np.array([50.0, 500.0, 5_000.0, 60_000.0])
_DOWN_UA = 0.8 * _UP_UA
#: Share of the step that remains in the first samples after a switch: our assumption. That about three samples are
#: wrong is what the vendor's host software takes for granted when it filters spikes.
_SETTLING = np.array([0.25, 0.08, 0.02])
_HISTORY = len(_SETTLING)
#: Standard deviation of the noise in ADC steps: our assumption, enough to dither the quantisation.
_NOISE_STEPS = 0.6


class FrontEnd:
    """Turns currents into ADC values and ranges, sample by sample, with memory across calls."""

    def __init__(self, calibration: Calibration, seed: int, noise: bool) -> None:
        self.calibration = calibration
        self.noise = noise
        self.overshoot = 0.0  # a fault: the share of a step that is shown beyond it
        self._rng = np.random.default_rng([seed, 0x401])
        self._above = np.zeros(RANGES - 1, dtype=bool)  # state of each threshold before the next sample
        self._recent_ua = np.zeros(_HISTORY)
        self._recent_range = np.zeros(_HISTORY, dtype=np.int64)

    def convert(self, current_ua: np.ndarray, volts: float) -> tuple[np.ndarray, np.ndarray]:
        """(ADC values 0..16383, ranges 0..4) of successive 10 us samples of `current_ua` (microamperes)."""
        ranges = self._switch(current_ua)
        settled_ua = self._settle(current_ua, ranges)
        adc = self.calibration.adc_values(settled_ua * 1e-6, ranges, volts)
        if self.noise:
            adc = adc + _NOISE_STEPS * self._rng.standard_normal(len(adc))
        return np.clip(np.rint(adc), 0, ADC_MAX).astype(np.uint32), ranges

    def skip(self, current_ua: np.ndarray) -> None:
        """Follow the current without producing samples, so that ranges are right when streaming starts."""
        if len(current_ua):
            self._settle(current_ua, self._switch(current_ua))

    def _switch(self, current_ua: np.ndarray) -> np.ndarray:
        """The range of each sample. Each of the four borders is a switch with hysteresis of its own, set above its
        upper and cleared below its lower threshold; the range is the number of borders that are set.
        """
        ranges = np.zeros(len(current_ua), dtype=np.int64)
        position = np.arange(1, len(current_ua) + 1)
        for border in range(RANGES - 1):
            rises, falls = current_ua > _UP_UA[border], current_ua < _DOWN_UA[border]
            last_event = np.maximum.accumulate(np.where(rises | falls, position, 0))
            state = np.concatenate(([self._above[border]], rises))[last_event]
            self._above[border] = state[-1]
            ranges += state
        return ranges

    def _settle(self, current_ua: np.ndarray, ranges: np.ndarray) -> np.ndarray:
        """The currents as seen: after a switch a share of the step lingers for three samples."""
        current = np.concatenate((self._recent_ua, current_ua))
        all_ranges = np.concatenate((self._recent_range, ranges))
        self._recent_ua, self._recent_range = current[-_HISTORY:], all_ranges[-_HISTORY:]
        if not self.noise:
            return current_ua
        switches = np.flatnonzero(np.diff(all_ranges)) + 1
        seen = np.concatenate((current, np.zeros(_HISTORY)))
        for delay, share in enumerate(_SETTLING):
            np.add.at(seen, switches + delay, (share - self.overshoot) * (current[switches - 1] - current[switches]))
        return np.maximum(seen[_HISTORY : _HISTORY + len(current_ua)], 0.0)
