# SPDX-License-Identifier: Apache-2.0
"""A MicroPython on a pseudo terminal, as a board's serial port looks from the host."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import threading
import tty
from pathlib import Path

ROOT = Path(__file__).parents[3]
UNIX_PORT = ROOT / "build/firmware/unix/micropython"


class Console:
    """The host's end of a terminal on which MicroPython runs; `port` is a second pty whose traffic it can damage."""

    def __init__(self, folder: Path) -> None:
        inner, inner_slave = pty.openpty()
        self._outer, outer_slave = pty.openpty()
        self.port = os.ttyname(outer_slave)
        self._outer_slave = outer_slave
        self.damage = None  # callable(bytes to the board) -> bytes
        self.sent = 0
        tty.setraw(inner_slave)  # no Ctrl-C before the stand-in is ready for it
        tty.setraw(outer_slave)
        self.process = subprocess.Popen(
            [str(UNIX_PORT), "-X", "heapsize=4M", str(Path(__file__).with_name("raw_repl.py"))],
            stdin=inner_slave, stdout=inner_slave, cwd=folder, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - before any thread
        )
        os.close(inner_slave)
        self._inner = inner
        self._unplugged = threading.Event()
        self._threads = [
            threading.Thread(target=self._relay, args=pair, daemon=True)
            for pair in ((inner, self._outer), (self._outer, inner))
        ]
        for thread in self._threads:
            thread.start()

    def _relay(self, source: int, sink: int) -> None:
        with contextlib.suppress(OSError):
            while not self._unplugged.is_set():
                # a blocked read would keep the master open
                if not select.select([source], [], [], 0.05)[0]:
                    continue
                data = os.read(source, 65536)
                if sink == self._inner:
                    self.sent += len(data)
                    if self.damage:
                        data = self.damage(data)
                while data:
                    data = data[os.write(sink, data) :]

    def unplug(self) -> None:
        """The port goes away."""
        self._unplugged.set()
        for thread in self._threads:
            thread.join(5)
        os.close(self._outer_slave)
        os.close(self._outer)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)
        self._unplugged.set()
        for handle in (self._inner, self._outer):
            with contextlib.suppress(OSError):
                os.close(handle)
