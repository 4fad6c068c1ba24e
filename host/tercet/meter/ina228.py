# SPDX-License-Identifier: Apache-2.0
"""Driver for Texas Instruments' INA228 behind a small MicroPython board that reads it (`device_lib/ina228_reader.py`).

    kind = "ina228"
    port = "/dev/serial/by-id/usb-MicroPython_Board_in_FS_mode_..."
    shunt_ohm = 0.5

It measures volts. Some 2,000 currents a second, each the mean of 280 us; edges of the logic inputs are timed to microseconds. The
capture's even time axis is finer than the currents, so that markers stand where they were; regions should last 20 ms or more.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time

import numpy as np
import serial

from tercet.capture import Capture
from tercet.errors import InputError, MeterError
from tercet.meter.base import Capabilities, Wiring

GRID_HZ = 20_000.0
_RECORD = np.dtype([("kind", "u1"), ("levels", "u1"), ("counter", "u1"), ("zero", "u1"), ("ticks", "<u4"), ("value", "<i4")])
_TICKS = 1 << 30
_SHUNT_V, _BUS_V = 78.125e-9, 195.3125e-6
_FULL = (1 << 19) - 1
_TEXAS, _DEVICE = 0x5449, 0x228
_ANSWER_S = 3.0


class Ina228:
    """An INA228 with its reader. `measured` only where the reader's port is a USB device."""

    def __init__(self, wiring: Wiring, region_pin: int = 0) -> None:
        self._wiring, self._pin = wiring, region_pin
        shunt = wiring.options.get("shunt_ohm")
        if not isinstance(shunt, (int, float)) or not shunt > 0 or set(wiring.options) != {"shunt_ohm"}:
            raise InputError("the bench's [meter] of kind ina228 takes shunt_ohm, in ohms", hint="shunt_ohm = 0.5")
        self._shunt_ohm = float(shunt)
        try:
            self._serial = serial.Serial(wiring.port, timeout=0.05, write_timeout=5, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise MeterError(f"the reader's port {wiring.port} cannot be opened: {error}", hint="is it plugged in?") from error
        self._data, self._failure = bytearray(), ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def capabilities(self) -> Capabilities:
        """The rate is that of the capture's time axis."""
        from serial.tools import list_ports

        real = any(info.device == self._serial.port and info.vid is not None for info in list_ports.comports())
        return Capabilities("INA228", GRID_HZ, 8, True, False, real)

    def arm(self) -> None:
        """Asks the reader and, through it, the chip who they are."""
        self._send(b"x")
        self._serial.reset_input_buffer()
        self._send(b"i")
        line, end = b"", time.monotonic() + _ANSWER_S
        while not line.endswith(b"\n") and time.monotonic() < end:
            line += self._serial.readline()
        try:
            found = json.loads(line)
            chip = found["manufacturer"], found["device"] >> 4
        except (ValueError, KeyError, TypeError) as error:
            hint = "copy device_lib/ina228_reader.py to it as main.py"
            raise MeterError(f"the reader on {self._serial.port} does not answer: {line[:60]!r}", hint=hint) from error
        if chip != (_TEXAS, _DEVICE):
            raise MeterError(f"the chip behind {self._serial.port} is no INA228: it says {chip[0]:#x}, {chip[1]:#x}")

    def power(self, on: bool) -> None:
        """It switches nothing."""
        raise MeterError("an INA228 cannot switch the board's supply", hint=f"asked for: {'on' if on else 'off'}")

    def _send(self, command: bytes) -> None:
        try:
            self._serial.write(command)
        except (serial.SerialException, OSError) as error:
            raise MeterError(f"the reader's port {self._serial.port} went away: {error}") from error

    def start(self) -> None:
        """Begins a capture; a thread reads as long as it runs."""
        if self._thread is not None:
            raise MeterError("a capture is running already")
        self._data, self._failure, self._stopping = bytearray(), "", False
        self._send(b"s")
        self._thread = threading.Thread(target=self._collect, name="ina228", daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        try:
            while True:
                part = self._serial.read(max(1, self._serial.in_waiting))
                with self._changed:
                    self._data += part
                    self._changed.notify_all()
                if self._stopping and not part:
                    return
        except (serial.SerialException, OSError, TypeError) as error:
            with self._changed:
                self._failure = f"the reader's port {self._serial.port} went away: {error}"
                self._changed.notify_all()

    def _records(self) -> np.ndarray:
        return np.frombuffer(bytes(self._data[: len(self._data) // _RECORD.itemsize * _RECORD.itemsize]), _RECORD)

    def wait(self, edges: int, tail_samples: int, silence_s: float) -> int:
        """See `Meter.wait`."""
        seen, begun = -1, time.monotonic()
        with self._changed:
            while not self._failure:
                records = self._records()
                changes = records[records["kind"] == ord("E")]
                levels = (changes["levels"] >> self._pin & 1).astype(np.int8)
                found = int(np.count_nonzero(np.diff(levels, prepend=np.int8(0)) == 1))
                if found >= edges and len(levels) and not levels[-1]:
                    low_us = (int(records["ticks"][-1]) - int(changes["ticks"][-1])) % _TICKS
                    if low_us * 1e-6 * GRID_HZ >= tail_samples:
                        return found
                if found != seen:
                    seen, begun = found, time.monotonic()
                left = begun + silence_s - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return found
        raise MeterError(self._failure)

    def stop(self) -> Capture:
        """Ends the capture and puts it on an even time axis."""
        if self._thread is None:
            raise MeterError("no capture is running")
        self._send(b"x")
        self._stopping = True
        self._thread.join(5 * _ANSWER_S)
        self._thread = None
        if self._failure:
            raise MeterError(self._failure)
        return self._capture(self._records())

    def _capture(self, records: np.ndarray) -> Capture:
        ticks = records["ticks"].astype(np.int64)
        # an edge may be told after a current that came later: steps go both ways
        steps = (np.diff(ticks, prepend=ticks[:1]) + _TICKS // 2) % _TICKS - _TICKS // 2
        seconds = np.cumsum(steps) * 1e-6
        currents, buses, edges = (np.flatnonzero(records["kind"] == ord(kind)) for kind in "CVE")
        if not len(currents) or not len(buses) or not len(edges):
            raise MeterError(f"no samples came from the reader on {self._serial.port}", hint="power it off and on")
        gaps = np.diff(records["counter"].astype(int)) % 256 != 1
        lost = np.count_nonzero(gaps) + np.count_nonzero(records["kind"] == ord("X"))
        at = np.arange(seconds[currents[0]], seconds[currents[-1]], 1 / GRID_HZ)
        # a result is the mean of the time before it was read
        which = currents[np.minimum(np.searchsorted(seconds[currents], at), len(currents) - 1)]
        logic = records["levels"][edges[np.maximum(np.searchsorted(seconds[edges], at, side="right") - 1, 0)]]
        value = records["value"][which]
        volts, wiring = float(records["value"][buses].mean()) * _BUS_V, self._wiring
        return Capture(
            (value * (_SHUNT_V / self._shunt_ohm)).astype(np.float32), logic.astype(np.uint8), GRID_HZ, volts,
            self.capabilities.provenance, "INA228", wiring.mode, wiring.rail, wiring.card_on_rail, wiring.usb_on_rail, 8,
            saturated=np.abs(value) >= _FULL, problems=(f"{lost} gaps in the reader's records",) if lost else (),
        )  # fmt: skip

    def close(self) -> None:
        """Stops the reader and closes its port."""
        self._stopping = True
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.write(b"x")
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None
        self._serial.close()
