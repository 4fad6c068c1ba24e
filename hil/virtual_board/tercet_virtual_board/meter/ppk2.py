# SPDX-License-Identifier: GPL-2.0-or-later
"""A Power Profiler Kit II on a byte stream: commands in, samples of 100 kS/s out.

One element of `push` is one 10 us sample in the board's virtual time, so the meter needs no clock of its own.
"""

from collections.abc import Callable

import numpy as np

from . import commands
from .calibration import RANGES, Calibration
from .front_end import FrontEnd

SAMPLES_PER_S = 100_000
_COUNTER_MODULUS = 64
_DROP_AFTER_SAMPLES = 45_000  # 0.45 s: a unit drops its output within 0.5 s after the host closes the port
_MIN_MV, _MAX_MV = 800, 5000
_MODES = {1: "ampere", 2: "source"}


def _ignore(_: object) -> None:
    """Stands for a hook that nobody wants."""


class Ppk2:
    """One meter between supply and board.

    It starts as an ampere meter that passes an external supply through, so that a board runs without any host at the
    meter. Entering source mode opens the output until the host switches it on. `on_power(bool)` and `on_voltage(mV)`
    are called at every change; the voltage concerns the board in source mode only.
    """

    def __init__(self, seed: int = 0, noise: bool = True, on_power: Callable[[bool], None] = _ignore,
                 on_voltage: Callable[[int], None] = _ignore) -> None:
        self.calibration = Calibration.of_unit(seed)
        self.front_end = FrontEnd(self.calibration, seed, noise)
        self.streaming = False
        self.power_on = True
        self.mode = "ampere"
        self.source_mv = 3000
        self.spike_filter = True
        self.user_gains = np.ones(RANGES)
        self.drift_ppm = 0.0
        self._on_power, self._on_voltage = on_power, on_voltage
        self._commands = commands.CommandReader()
        self._counter = 0
        self._to_drop = 0
        self._drift_samples = 0.0
        self._until_output_drops: int | None = None

    def feed_host_bytes(self, data: bytes) -> bytes:
        """What the meter answers at once to bytes from the host (metadata, or nothing)."""
        return b"".join(self._obey(command, argument) for command, argument in self._commands.feed(data))

    def feed_second_port(self, data: bytes) -> bytes:
        """The answer of the second port, which firmware 1.2.0 and later shows beside the first: none, ever."""
        del data
        return b""

    def push(self, current_ua: np.ndarray, logic: np.ndarray) -> bytes:
        """The samples to send for successive 10 us bins, empty unless streaming.

        `current_ua` is each bin's mean current (float microamperes), `logic` its levels of D0..D7 (uint8), equally
        long. Sample: uint32 little-endian with ADC value, range << 14, counter << 18, logic << 24.
        """
        if not len(current_ua):
            return b""
        self._count_down(len(current_ua))
        current_ua, logic = self._drifted(np.asarray(current_ua, dtype=np.float64), np.asarray(logic, dtype=np.uint32))
        if not self.streaming or not len(current_ua):
            self.front_end.skip(current_ua)
            return b""
        adc, ranges = self.front_end.convert(current_ua, self.source_mv / 1000)
        counter = (self._counter + np.arange(len(adc), dtype=np.uint32)) % _COUNTER_MODULUS
        self._counter = (self._counter + len(adc)) % _COUNTER_MODULUS
        words = adc | ranges.astype(np.uint32) << 14 | counter << 18 | logic << 24
        lost = min(self._to_drop, len(words))
        self._to_drop -= lost
        return words[lost:].astype("<u4").tobytes()

    def drop_samples(self, count: int) -> None:
        """Lose the next `count` samples on their way to the host; their counter values are lost with them."""
        self._to_drop += count

    def port_opened(self) -> None:
        """The host opened the measuring port."""
        self._until_output_drops = None

    def port_closed(self) -> None:
        """The host closed the measuring port: streaming ends, and in source mode the output drops soon after."""
        self.streaming = False
        if self.mode == "source" and self.power_on:
            self._until_output_drops = _DROP_AFTER_SAMPLES

    def _obey(self, command: int, argument: bytes) -> bytes:
        if command in (commands.START, commands.STOP):
            self.streaming = command == commands.START
        elif command == commands.POWER:
            self._set_power(bool(argument[0]))
        elif command == commands.VOLTAGE:
            self._set_voltage(int.from_bytes(argument, "big"))
        elif command == commands.MODE:
            self._set_mode(_MODES.get(argument[0], self.mode))
        elif command in (commands.SPIKES_ON, commands.SPIKES_OFF):
            self.spike_filter = command == commands.SPIKES_ON
        elif command == commands.USER_GAIN:
            which, gain = commands.user_gain(argument)
            if which < RANGES and np.isfinite(gain):
                self.user_gains[which] = gain
        elif command == commands.RESET:
            self._reset()
        elif command == commands.METADATA:
            mode_number = {name: number for number, name in _MODES.items()}[self.mode]
            return self.calibration.metadata(self.user_gains, self.source_mv, mode_number)
        return b""

    def _set_power(self, on: bool) -> None:
        self._until_output_drops = None
        if on != self.power_on:
            self.power_on = on
            self._on_power(on)

    def _set_voltage(self, millivolts: int) -> None:
        self.source_mv = min(max(millivolts, _MIN_MV), _MAX_MV)
        self._tell_voltage()

    def _tell_voltage(self) -> None:
        if self.mode == "source":  # as an ampere meter it only takes note of the supply's voltage
            self._on_voltage(self.source_mv)

    def _set_mode(self, mode: str) -> None:
        """Changing the mode opens the output: the two supplies are different wires."""
        if mode != self.mode:
            self.mode = mode
            self._set_power(False)
            self._tell_voltage()

    def _reset(self) -> None:
        """Restart the instrument: settings return to their defaults, a sourced output stays off."""
        if self.mode == "source":
            self._set_power(False)
        self.streaming, self.mode, self.source_mv, self.spike_filter = False, "ampere", 3000, True
        self.user_gains = np.ones(RANGES)
        self._counter = self._to_drop = 0

    def _count_down(self, samples: int) -> None:
        if self._until_output_drops is not None:
            self._until_output_drops -= samples
            if self._until_output_drops <= 0:
                self._set_power(False)

    def _drifted(self, current_ua: np.ndarray, logic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bins as a meter with a clock `drift_ppm` too fast sees them: now and then one twice (or not at all)."""
        if not self.drift_ppm:
            return current_ua, logic
        due = self._drift_samples + np.arange(1, len(current_ua) + 1) * self.drift_ppm * 1e-6
        whole = np.trunc(due).astype(np.int64)
        self._drift_samples = float(due[-1] - whole[-1])
        repeats = 1 + np.diff(whole, prepend=0)
        return np.repeat(current_ua, repeats), np.repeat(logic, repeats)
