# SPDX-License-Identifier: Apache-2.0
"""The protocol of a power meter, and the choice of a driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tercet.capture import Capture
from tercet.errors import InputError


@dataclass(frozen=True)
class Capabilities:
    """What a meter can do. `rate_hz` samples a second; `measured` whether it is a real instrument."""

    name: str
    rate_hz: float
    logic_inputs: int
    measures_volts: bool
    sources_power: bool
    measured: bool

    @property
    def provenance(self) -> str:
        """The source of its numbers."""
        return "measured" if self.measured else "modelled"


class Wiring(Protocol):
    """How a meter is connected; a bench file says it."""

    @property
    def kind(self) -> str: ...
    @property
    def port(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def volts(self) -> float | None: ...
    @property
    def rail(self) -> str: ...
    @property
    def card_on_rail(self) -> bool: ...
    @property
    def usb_on_rail(self) -> bool: ...
    @property
    def options(self) -> dict[str, Any]: ...


class Meter(Protocol):
    """A power meter: `arm` once, then `start` and `stop` for each capture. All raise MeterError."""

    @property
    def capabilities(self) -> Capabilities: ...

    def arm(self) -> None:
        """Makes it ready: calibration read, mode and voltage set, the board powered where the meter does that."""

    def start(self) -> None:
        """Begins a capture."""

    def wait(self, edges: int, tail_samples: int, silence_s: float) -> int:
        """Waits for `edges` rising edges of the region pin and then `tail_samples` more samples.

        Returns the edges seen; gives up when nothing comes for `silence_s`, or when the region pin does not move for
        that long.
        """

    def stop(self) -> Capture:
        """Ends the capture and returns it."""

    def power(self, on: bool) -> None:
        """Switches the board's supply, where the meter can; otherwise MeterError."""

    def close(self) -> None:
        """Releases the port."""


def open_meter(wiring: Wiring, *, region_pin: int = 0) -> Meter:
    """The armed meter of a bench; raises MeterError when it is declared and does not answer."""
    meter = _driver(wiring, region_pin)
    try:
        meter.arm()
    except BaseException:
        meter.close()
        raise
    return meter


def _driver(wiring: Wiring, region_pin: int) -> Meter:
    """Drivers are imported when they are asked for: some need packages that are extras."""
    if wiring.kind == "ppk2":
        from tercet.meter.ppk2 import Ppk2

        return Ppk2(wiring, region_pin)
    if wiring.kind == "scpi":
        from tercet.meter.scpi import Scpi

        return Scpi(wiring, region_pin)
    if wiring.kind == "ina228":
        from tercet.meter.ina228 import Ina228

        return Ina228(wiring, region_pin)
    if wiring.kind == "recorded":
        from tercet.meter.recorded import Recorded

        return Recorded(wiring, region_pin)
    raise InputError(f"no driver for a meter of kind {wiring.kind!r}", hint="ppk2, ina228, scpi, recorded")
