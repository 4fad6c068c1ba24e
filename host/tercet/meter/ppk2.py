# SPDX-License-Identifier: Apache-2.0
"""Driver for Nordic's Power Profiler Kit II on its serial port: a reader of its own that notices every loss."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from typing import Any

import numpy as np
import serial

from tercet.capture import Capture
from tercet.errors import MeterError
from tercet.meter import ppk2_format
from tercet.meter.base import Capabilities, Wiring

USB_ID = (0x1915, 0xC00A)
_START, _STOP, _POWER, _VOLTAGE, _MODE, _METADATA = 0x06, 0x07, 0x0C, 0x0D, 0x11, 0x19
_MODES = {"ampere": 1, "source": 2}
_ANSWER_S = 3.0
_QUIET_S = 0.25
_ALIGN_BYTES = 2048


def find_port(port: str) -> tuple[str, bool]:
    """(device, whether the USB identity of a real PPK2 stands behind it).

    `usb:SERIAL[:INTERFACE]` or `usb` finds a unit; since firmware 1.2.0 it has two ports, of which the lowest
    interface measures. Raises MeterError when there is none.
    """
    from serial.tools import list_ports

    units = [info for info in list_ports.comports() if (info.vid, info.pid) == USB_ID]
    units.sort(key=lambda info: info.location or info.device)
    if not (port == "usb" or port.startswith("usb:")):
        return port, any(info.device == port for info in units)
    _, _, rest = port.partition(":")
    wanted, _, interface = rest.partition(":")
    for info in units:
        place = info.location or ""
        if (not wanted or info.serial_number == wanted) and (not interface or place.endswith(f".{interface}")):
            return info.device, True
    raise MeterError(f"no PPK2 with USB serial number {wanted or '(any)'}", hint="is it plugged in and switched on?")


class Ppk2:
    """A Power Profiler Kit II. A thread reads as long as a capture runs; what it collects is decoded at the end."""

    def __init__(self, wiring: Wiring, region_pin: int = 0) -> None:
        self._wiring, self._pin = wiring, region_pin
        device, self._real = find_port(wiring.port)
        try:
            self._serial = serial.Serial(device, timeout=0.05, write_timeout=5, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            hint = "is the meter plugged in, and used by nobody else?"
            raise MeterError(f"the meter's port {device} cannot be opened: {error}", hint=hint) from error
        self._calibration: ppk2_format.Calibration | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._reset_collection()

    @property
    def capabilities(self) -> Capabilities:
        """100,000 samples a second, eight logic inputs, no voltage measurement."""
        return Capabilities("PPK2", ppk2_format.RATE_HZ, 8, False, True, self._real)

    # -- set-up -------------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Reads the calibration and sets mode and voltage; in source mode it also switches the board on."""
        self._command(_STOP)
        self._drain()
        self._calibration = ppk2_format.parse_metadata(self._metadata())
        if self._wiring.mode == "source" and self._wiring.volts is None:
            raise MeterError("in source mode the bench must say volts", hint="set volts in the bench's [meter]")
        self._command(_MODE, _MODES[self._wiring.mode])
        if self._wiring.volts is not None:
            self._command(_VOLTAGE, *struct.pack(">H", round(self._wiring.volts * 1000)))
        self._command(_POWER, 1)

    def power(self, on: bool) -> None:
        """Switches what passes through the meter, in either mode."""
        self._command(_POWER, int(on))

    def _metadata(self) -> str:
        """The text up to END. It may come in pieces, and samples that were under way may stand before it."""
        self._command(_METADATA)
        data, end = b"", time.monotonic() + _ANSWER_S
        while b"END" not in data:
            if time.monotonic() > end:
                raise MeterError(f"the meter on {self._serial.port} does not answer", hint="is it switched on?")
            data += self._read()
        begin = max(data.rfind(b"Calibrated"), 0)
        return data[begin : data.index(b"END", begin)].decode("ascii", errors="replace")

    def _command(self, *values: int) -> None:
        try:
            self._serial.write(bytes(values))
        except (serial.SerialException, OSError, TypeError) as error:
            raise MeterError(f"the meter's port {self._serial.port} went away: {error}") from error

    def _read(self) -> bytes:
        try:
            return self._serial.read(max(1, min(self._serial.in_waiting, 1 << 18)))
        except (serial.SerialException, OSError, TypeError) as error:
            raise MeterError(f"the meter's port {self._serial.port} went away: {error}") from error

    def _drain(self) -> None:
        """Reads until the line is quiet."""
        end = time.monotonic() + _ANSWER_S
        while time.monotonic() < end and self._read():
            pass

    # -- capture ------------------------------------------------------------------------------------------------------

    def _reset_collection(self) -> None:
        self._data = bytearray()
        self._stray: int | None = None
        self._scanned = 0
        self._edges = 0
        self._edge_at = 0  # samples up to the last edge
        self._level = 0
        self._failure: MeterError | None = None
        self._stopping = False

    def start(self) -> None:
        """Begins a capture; the reader runs until `stop`."""
        if self._thread is not None:
            raise MeterError("a capture is running already")
        self._reset_collection()
        self._thread = threading.Thread(target=self._collect, name="ppk2", daemon=True)
        self._command(_START)
        self._thread.start()

    def _collect(self) -> None:
        try:
            quiet_since = time.monotonic()
            while True:
                part = self._read()
                if part:
                    quiet_since = time.monotonic()
                    with self._changed:
                        self._data += part
                        self._scan()
                        self._changed.notify_all()
                elif self._stopping and time.monotonic() - quiet_since > _QUIET_S:
                    return
        except MeterError as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _scan(self) -> None:
        """Counts the rising edges of the region pin in what is new, once it is known where samples begin."""
        if self._stray is None:
            if len(self._data) < _ALIGN_BYTES:
                return
            self._align()
        whole = len(self._data) // 4 * 4
        levels = np.frombuffer(bytes(self._data[self._scanned + 3 : whole : 4]), np.uint8) >> self._pin & 1
        if len(levels):
            rises = np.flatnonzero(np.diff(levels.astype(np.int8), prepend=np.int8(self._level)) == 1)
            self._level = int(levels[-1])
            if len(rises):
                self._edges += len(rises)
                self._edge_at = self._scanned // 4 + int(rises[-1])
        self._scanned = whole

    def _align(self) -> None:
        """Drops what stands before the first whole sample."""
        self._stray = ppk2_format.best_offset(bytes(self._data[:_ALIGN_BYTES]))
        del self._data[: self._stray]

    def wait(self, edges: int, tail_samples: int, silence_s: float) -> int:
        """See `Meter.wait`. The tail begins when the region pin has fallen for the last time."""
        begun, seen = time.monotonic(), -1
        with self._changed:
            while self._failure is None:
                if self._edges >= edges and not self._level and self._low_samples() >= tail_samples:
                    break
                if self._edges != seen:
                    begun, seen = time.monotonic(), self._edges
                left = begun + silence_s - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            if self._failure is not None:
                raise self._failure
            return self._edges

    def _low_samples(self) -> int:
        """The number of samples since the region pin was last high."""
        whole = len(self._data) // 4
        levels = np.frombuffer(bytes(self._data[4 * self._edge_at + 3 : 4 * whole : 4]), np.uint8) >> self._pin & 1
        high = np.flatnonzero(levels)
        return len(levels) - 1 - int(high[-1]) if len(high) else len(levels)

    def stop(self) -> Capture:
        """Ends the capture, reads what is under way and returns all of it."""
        thread = self._thread
        if thread is None:
            raise MeterError("no capture is running")
        self._command(_STOP)
        self._stopping = True
        thread.join(_ANSWER_S * 5)
        self._thread = None
        if self._failure is not None:
            raise self._failure
        if thread.is_alive():
            raise MeterError("the meter goes on sending after it was stopped")
        return self._decode()

    def _decode(self) -> Capture:
        assert self._calibration is not None
        if self._stray is None:
            self._align()
        problems = (f"the stream began with {self._stray} stray bytes",) if self._stray else ()
        wiring = self._wiring
        samples = ppk2_format.decode(bytes(self._data), self._calibration, wiring.volts or 3.0)
        if not len(samples.current_a):
            raise MeterError(f"no sample came from the meter on {self._serial.port}", hint="power the meter off and on")
        return Capture(
            samples.current_a, samples.logic, ppk2_format.RATE_HZ, wiring.volts, self.capabilities.provenance,
            self._calibration.identity, wiring.mode, wiring.rail, wiring.card_on_rail, wiring.usb_on_rail, 8,
            samples.range_index, samples.saturated, problems=problems,
        )  # fmt: skip

    def close(self) -> None:
        """Stops streaming and closes the port; in source mode the board loses its supply soon after."""
        self._stopping = True
        with contextlib.suppress(serial.SerialException, OSError, TypeError):
            self._serial.write(bytes((_STOP,)))
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None
        self._serial.close()

    def __enter__(self) -> Ppk2:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
