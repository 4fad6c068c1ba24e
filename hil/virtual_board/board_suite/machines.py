# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines that MicroPython's tests run on: virtual boards, and QEMU as the second opinion."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time
from typing import Protocol

_START_TIMEOUT_S = 60.0
_DISTRIBUTION = pathlib.Path(__file__).resolve().parents[1]


class Machine(Protocol):
    """Something with MicroPython on a serial port."""

    serial: str

    def start(self) -> None:
        """Bring it up; `serial` is the path of its console from then on."""

    def stop(self) -> None:
        """End it."""


def _first_line(process: subprocess.Popen[str], wanted: str) -> str:
    """The first output line that contains `wanted`; raises RuntimeError if the process ends or stays silent."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    assert process.stdout is not None
    while time.monotonic() < deadline:
        if not select.select([process.stdout], [], [], 1.0)[0]:
            continue
        line = process.stdout.readline()
        if wanted in line:
            return line
        if not line:
            break
    process.kill()
    raise RuntimeError(f"{process.args[0]} did not start: {process.stderr.read() if process.stderr else ''}")


class _Process:
    """Start and end of a machine that is one process."""

    command: list[str]
    announces: str

    def __init__(self) -> None:
        self.serial = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        path = os.pathsep.join(filter(None, [str(_DISTRIBUTION), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                         env={**os.environ, "PYTHONPATH": path})
        self.serial = self._serial_of(_first_line(self._process, self.announces))

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _serial_of(self, line: str) -> str:
        raise NotImplementedError


class VirtualBoard(_Process):
    """A virtual board of its own process, with its own state directory, running as fast as the host allows."""

    announces = '"serial"'

    def __init__(self, name: str, image: pathlib.Path, state: pathlib.Path) -> None:
        super().__init__()
        state.mkdir(parents=True, exist_ok=True)
        self.command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", name, "--state", str(state),
                        "--image", str(image), "--pace", "max"]

    def _serial_of(self, line: str) -> str:
        return json.loads(line)["serial"]


class Qemu(_Process):
    """The Cortex-M4F machine mps2-an386 of QEMU with an image of MicroPython's own port for it."""

    announces = "/dev/pts/"

    def __init__(self, image: pathlib.Path) -> None:
        super().__init__()
        self.command = ["qemu-system-arm", "-machine", "mps2-an386", "-nographic", "-monitor", "null",
                        "-semihosting", "-serial", "pty", "-kernel", str(image)]

    def start(self) -> None:
        super().start()
        # A pty that nobody holds open makes QEMU drop it for a moment, and the next client reads an I/O error.
        self._held = os.open(self.serial, os.O_RDWR | os.O_NOCTTY)

    def stop(self) -> None:
        os.close(self._held)
        super().stop()

    def _serial_of(self, line: str) -> str:
        found = re.search(r"/dev/pts/\d+", line)
        assert found is not None
        return found.group()
