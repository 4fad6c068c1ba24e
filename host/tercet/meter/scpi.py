# SPDX-License-Identifier: Apache-2.0
"""Bench instruments that speak SCPI through VISA: an ampere meter or power analyser with a data log and digital inputs.

Instruments differ in their words; the bench's [meter] says them:

    kind = "scpi"
    port = "TCPIP0::192.168.1.20::inst0::INSTR"
    backend = "@py"                          # the VISA library; "" for the vendor's
    rate_hz = 50000
    setup = ["SENS:FUNC 'CURR'", "SENS:CURR:RANG 0.1"]
    start = "INIT"
    stop = "ABOR"
    current = "FETC:ARR:CURR?"               # amperes, comma separated, oldest first
    logic = "FETC:ARR:DIG?"                  # whole numbers, bit 0 is D0
    voltage = "FETC:ARR:VOLT?"               # when the instrument measures it
    power_on = "OUTP ON"                     # in source mode
    power_off = "OUTP OFF"
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tercet.capture import Capture
from tercet.errors import InputError, MeterError, SetupError
from tercet.meter.base import Capabilities, Wiring

_NEEDED = ("rate_hz", "start", "stop", "current", "logic")
_KNOWN = (*_NEEDED, "backend", "setup", "voltage", "power_on", "power_off", "timeout_s", "saturation_a")
_POLL_S = 0.1


class Scpi:
    """An instrument behind a VISA resource.

    `measured` only where the instrument answers *IDN? and its backend is no simulation.
    """

    def __init__(self, wiring: Wiring, region_pin: int = 0) -> None:
        try:
            import pyvisa
        except ImportError as error:
            raise SetupError("pyvisa is not installed", hint="pip install 'tercet[scpi]'") from error
        self._wiring, self._pin, self._options = wiring, region_pin, wiring.options
        self._check()
        self._errors: tuple[type[Exception], ...] = (pyvisa.errors.Error, OSError, ValueError)
        backend = str(self._options.get("backend", ""))
        self._simulated = backend.endswith("@sim")
        try:
            self._manager = pyvisa.ResourceManager(backend)
            self._instrument: Any = self._manager.open_resource(wiring.port, read_termination="\n", write_termination="\n")
            self._instrument.timeout = round(1000 * float(self._options.get("timeout_s", 5.0)))
        except self._errors as error:
            hint = "is it on, and its address right?"
            raise MeterError(f"the instrument {wiring.port} cannot be opened: {error}", hint=hint) from error
        self._identity = ""
        self._running = False

    def _check(self) -> None:
        missing = [name for name in _NEEDED if name not in self._options]
        unknown = sorted(set(self._options) - set(_KNOWN))
        if missing or unknown:
            what = f"needs {', '.join(missing)}" if missing else f"has no setting {unknown[0]!r}"
            raise InputError(f"the bench's [meter] of kind scpi {what}", hint=f"settings: {', '.join(_KNOWN)}")

    @property
    def capabilities(self) -> Capabilities:
        """What the bench file says."""
        options = self._options
        return Capabilities(
            self._identity or "SCPI", float(options["rate_hz"]), 8, "voltage" in options, "power_on" in options,
            bool(self._identity) and not self._simulated,
        )  # fmt: skip

    def arm(self) -> None:
        """Asks who it is, then sends the set-up and, in source mode, switches the supply on."""
        self._identity = self._ask("*IDN?").strip()
        if not self._identity:
            raise MeterError(f"{self._wiring.port}: no answer to *IDN?", hint="is the instrument on?")
        for command in self._options.get("setup", ()):
            self._tell(command)
        if self._wiring.mode == "source":
            self.power(True)

    def power(self, on: bool) -> None:
        """Switches the supply with the bench's words."""
        word = self._options.get("power_on" if on else "power_off")
        if word is None:
            hint = "set power_on and power_off in the bench's [meter]"
            raise MeterError("the bench does not say how this instrument switches its supply", hint=hint)
        self._tell(word)

    def start(self) -> None:
        """Begins a data log."""
        self._tell(self._options["start"])
        self._running = True

    def wait(self, edges: int, tail_samples: int, silence_s: float) -> int:
        """See `Meter.wait`; asks for the logic levels until they show enough edges."""
        seen, begun = -1, time.monotonic()
        while True:
            levels = self._numbers(self._options["logic"]).astype(np.int64) >> self._pin & 1
            found = int(np.count_nonzero(np.diff(levels, prepend=0) == 1))
            high = np.flatnonzero(levels)
            low_samples = len(levels) - 1 - int(high[-1]) if len(high) else len(levels)
            if found >= edges and low_samples >= tail_samples:
                return found
            if found != seen:
                seen, begun = found, time.monotonic()
            if time.monotonic() - begun > silence_s:
                return found
            time.sleep(_POLL_S)

    def stop(self) -> Capture:
        """Ends the log and fetches it."""
        if not self._running:
            raise MeterError("no capture is running")
        self._running = False
        self._tell(self._options["stop"])
        current = self._numbers(self._options["current"])
        logic = self._numbers(self._options["logic"]).astype(np.uint8)
        if not len(current) or len(current) != len(logic):
            raise MeterError(f"the instrument gave {len(current)} currents and {len(logic)} logic levels")
        volts_v = self._numbers(self._options["voltage"]) if "voltage" in self._options else None
        volts = float(volts_v.mean()) if volts_v is not None else self._wiring.volts
        limit = float(self._options.get("saturation_a", np.inf))
        wiring = self._wiring
        return Capture(
            current.astype(np.float32), logic, float(self._options["rate_hz"]), volts, self.capabilities.provenance,
            self._identity, wiring.mode, wiring.rail, wiring.card_on_rail, wiring.usb_on_rail,
            saturated=np.abs(current) >= limit, volts_v=None if volts_v is None else volts_v.astype(np.float32),
        )  # fmt: skip

    def close(self) -> None:
        """Closes the instrument."""
        self._instrument.close()
        self._manager.close()

    def _tell(self, command: str) -> None:
        try:
            self._instrument.write(command)
        except self._errors as error:
            raise MeterError(f"{self._wiring.port}: {command}: {error}") from error

    def _ask(self, command: str) -> str:
        try:
            return str(self._instrument.query(command))
        except self._errors as error:
            raise MeterError(f"{self._wiring.port}: no answer to {command}: {error}", hint="is the instrument on?") from error

    def _numbers(self, command: str) -> np.ndarray:
        text = self._ask(command)
        try:
            return np.array([float(word) for word in text.split(",") if word.strip()])
        except ValueError as error:
            raise MeterError(f"{self._wiring.port}: {command} gave {text[:60]!r}, which are no numbers") from error
