# SPDX-License-Identifier: Apache-2.0
"""A byte stream to a board with a deadline on every wait: a serial device, or a URL (socket://, rfc2217://)."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

import serial

from tercet.errors import BoardError

_POLL_S = 0.02
_CHUNK_BYTES = 65536


def settle_port(port: str) -> str:
    """The device that a port name stands for now.

    `usb:SERIAL` or `usb:SERIAL:INTERFACE` finds a USB serial port by the board's USB serial number, because device
    names change with every plug. Raises BoardError when it is not attached.
    """
    if not port.startswith("usb:"):
        return port
    from serial.tools import list_ports

    wanted, _, interface = port[4:].partition(":")
    found = sorted(
        info.device for info in list_ports.comports()
        if (info.serial_number or "") == wanted and (not interface or (info.location or "").endswith(f".{interface}"))
    )  # fmt: skip
    if not found:
        raise BoardError(f"no serial port with USB serial number {wanted}", hint="see `tercet board list`")
    return found[0]


def usb_identity(port: str) -> str:
    """`VID:PID SERIAL` of the USB device behind a port; "" for a pseudo terminal, a URL, or a port that is not attached."""
    from serial.tools import list_ports

    with contextlib.suppress(BoardError):
        device = os.path.realpath(settle_port(port))
        for info in list_ports.comports():
            if info.device == device and info.vid is not None:
                return f"{info.vid:04x}:{info.pid:04x} {info.serial_number or ''}".rstrip()
    return ""


class Link:
    """An open port. Reads return what has come within the deadline; a port that goes away raises BoardError."""

    def __init__(self, port: str, baudrate: int = 115200) -> None:
        self.port = port
        self._kept = bytearray()
        device = settle_port(port)
        if "://" not in device and os.name == "posix" and not os.path.exists(device):
            raise BoardError(f"the port {device} does not exist", hint="tercet board list shows what is attached")
        try:
            # ports behind a URL know neither exclusive use nor, over RFC 2217, a limit for writing
            options = {} if "://" in device else {"exclusive": True, "write_timeout": 5}
            self._serial = serial.serial_for_url(device, baudrate=baudrate, timeout=_POLL_S, **options)
        except (serial.SerialException, OSError, ValueError) as error:
            hint = "is another program using it?"
            raise BoardError(f"the port {device} cannot be opened: {error}", hint=hint) from error

    def read(self, count: int = _CHUNK_BYTES, deadline_s: float = 0.0) -> bytes:
        """At most `count` bytes: all that is there, or the first to come within `deadline_s`; b"" after it."""
        end = time.monotonic() + deadline_s
        while not self._kept:
            waiting = self._guard(lambda: self._serial.in_waiting)
            if waiting or deadline_s > 0:
                self._kept += self._guard(lambda n=waiting: self._serial.read(min(max(n, 1), _CHUNK_BYTES)))
            if not self._kept and time.monotonic() >= end:
                return b""
        data = bytes(self._kept[:count])
        del self._kept[:count]
        return data

    def read_exactly(self, count: int, deadline_s: float) -> bytes:
        """`count` bytes; raises BoardError when no byte comes for `deadline_s`."""
        data = bytearray()
        while len(data) < count:
            part = self.read(count - len(data), deadline_s)
            if not part:
                raise BoardError(f"{self.port}: {len(data)} bytes of {count} came, then nothing for {deadline_s:g} s")
            data += part
        return bytes(data)

    def read_until(self, ending: bytes, deadline_s: float) -> bytes:
        """What comes up to and with `ending`, or what came until nothing did for `deadline_s`; the rest is kept."""
        data = bytearray()
        while True:
            part = self.read(deadline_s=deadline_s)
            if not part:
                return bytes(data)
            seen = max(0, len(data) - len(ending) + 1)
            data += part
            at = data.find(ending, seen)
            if at >= 0:
                self.push_back(bytes(data[at + len(ending) :]))
                return bytes(data[: at + len(ending)])

    def push_back(self, data: bytes) -> None:
        """Returns bytes that were read too far."""
        self._kept[:0] = data

    def drain(self, quiet_s: float = 0.05, deadline_s: float = 5.0) -> bytes:
        """Everything until the line is quiet for `quiet_s`, for `deadline_s` at most."""
        data, end = bytearray(), time.monotonic() + deadline_s
        while time.monotonic() < end:
            part = self.read(deadline_s=quiet_s)
            if not part:
                break
            data += part
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Writes all of `data`."""
        view = memoryview(data)
        while view:
            written = self._guard(lambda v=view: self._serial.write(v))
            view = view[written if written is not None else len(view) :]

    @property
    def waiting(self) -> int:
        """The bytes that can be read at once."""
        return len(self._kept) + self._guard(lambda: self._serial.in_waiting)

    def close(self) -> None:
        """Closes the port; a port that went away is closed as well."""
        with contextlib.suppress(OSError, serial.SerialException):
            self._serial.close()

    def _guard(self, action: Any) -> Any:
        """The result of `action`; the ways in which a vanished port shows itself become one BoardError."""
        try:
            return action()
        except serial.SerialTimeoutException as error:
            raise BoardError(f"{self.port}: takes no more bytes", hint="is the board powered and running?") from error
        except (serial.SerialException, OSError, TypeError, AttributeError) as error:
            raise BoardError(
                f"the port {self.port} went away: {error}", hint="plug the board in again, then run the same command"
            ) from error
