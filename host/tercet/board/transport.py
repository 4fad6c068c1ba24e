# SPDX-License-Identifier: Apache-2.0
"""MicroPython's raw REPL over a link. mpremote's transport does the talking and is wrapped here, and nowhere else.

mpremote is pinned, because its classes are no stable interface. What is replaced: reading byte by byte, and waits
without an end (on /dev/pts it disables its own timeouts).
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from tercet.board.link import Link
from tercet.errors import BoardError

_PROMPT_S = 5.0
_FILLER = b"\r" * 512


class _Port:
    """The part of pyserial's interface that mpremote uses, on a Link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.timeout = _PROMPT_S

    def read(self, count: int = 1) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self._link.read(count - len(data), self.timeout)
            if not part:
                break
            data += part
        return bytes(data)

    def write(self, data: bytes) -> int:
        self._link.write(data)
        return len(data)

    def inWaiting(self) -> int:  # noqa: N802 - the name that mpremote calls
        return self._link.waiting

    in_waiting = property(inWaiting)


class Transport(SerialTransport):
    """A raw REPL on an open link. Every method ends by its deadline; failures are BoardError."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.serial = _Port(link)
        self.device_name = link.port
        self.in_raw_repl = False
        self.use_raw_paste = True
        self.mounted = False
        self.is_pty = False

    def read_until(
        self, min_num_bytes: int, ending: bytes, timeout: float | None = 10, data_consumer: Any = None,
        timeout_overall: float | None = None,
    ) -> bytes:  # fmt: skip
        """As mpremote's, in bulk and never without an end."""
        return self.link.read_until(ending, min(t for t in (timeout, timeout_overall, 60.0) if t is not None))

    def enter(self) -> None:
        """Interrupts whatever runs and enters the raw REPL; raises BoardError when the board does not answer."""
        if self._try_enter():
            return
        # A receiver that lost bytes still waits for them, with Ctrl-C switched off: fill it up.
        self.link.write(_FILLER)
        self.link.drain(0.3, 3.0)
        if not self._try_enter() and not self._reboot():
            raise BoardError(
                f"{self.link.port}: the board does not answer",
                hint="power it off and on; `tercet flash` when it still is silent, `tercet doctor` looks closer",
            )

    def _try_enter(self) -> bool:
        self.link.write(b"\r\x03\x03")
        self.link.drain(0.05, 1.0)
        return self._quietly(lambda: self.enter_raw_repl(soft_reset=False, timeout_overall=_PROMPT_S))

    def _reboot(self) -> bool:
        """Ctrl-B, Ctrl-D: a soft reset from either prompt."""
        self.link.write(b"\x03\x02\x04")
        self.link.drain(0.5, 5.0)
        return self._try_enter()

    @staticmethod
    def _quietly(action: Any) -> bool:
        """Whether `action` succeeded. mpremote prints what it could not understand: results' stdout must stay clean."""
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                action()
            except TransportError:
                return False
        return True

    def start(self, code: str) -> None:
        """Sends `code` for execution from the raw REPL's prompt."""
        try:
            self.exec_raw_no_follow(code)
        except (TransportError, IndexError, ValueError) as error:
            raise BoardError(f"{self.link.port}: the board did not take the program: {error}") from error
        except Exception as error:
            if type(error).__name__ != "error":  # struct.error: fewer bytes than a window size
                raise
            raise BoardError(f"{self.link.port}: the board stopped answering while it took the program") from error

    def soft_reset(self) -> None:
        """Restarts MicroPython without its main.py and enters the raw REPL."""
        if not self._quietly(lambda: self.enter_raw_repl(soft_reset=True, timeout_overall=_PROMPT_S)):
            raise BoardError(f"{self.link.port}: no answer after a soft reset")

    def leave(self) -> None:
        """Goes back to the friendly prompt."""
        with contextlib.suppress(BoardError):
            self.exit_raw_repl()
