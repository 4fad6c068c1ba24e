# SPDX-License-Identifier: Apache-2.0
"""A board at its MicroPython prompt: run programs, follow their tagged output, move files."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from tercet.board.link import Link
from tercet.board.transport import Transport
from tercet.errors import BoardError

TAG = b"@tercet "
_END = b"\x04"
# what a board prints when it starts anew, perhaps in the midst of a line
_RESTARTED = re.compile(r"^FAULT |MicroPython v\d\S* on \d{4}-")


class ProgramError(BoardError):
    """A program that the host sent raised on the board. `kind` is the exception's name, `trace` the whole traceback."""

    def __init__(self, message: str, kind: str, trace: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace


class Board:
    """A board on a serial port, in its raw REPL from the first use on. A context manager.

    `power_cycle` is the last resort when neither Ctrl-C nor a soft reset brings an answer. `output` keeps the last
    untagged lines.
    """

    def __init__(self, port: str, *, baudrate: int = 115200, power_cycle: Callable[[], None] | None = None) -> None:
        self.port = port
        self.power_cycle = power_cycle
        self.output: deque[str] = deque(maxlen=200)
        self._baudrate = baudrate
        self._transport: Transport | None = None

    def __enter__(self) -> Board:
        _ = self.transport
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def transport(self) -> Transport:
        """The raw REPL, entered at the first use."""
        if self._transport is None:
            transport = Transport(Link(self.port, self._baudrate))
            try:
                self._enter(transport)
            except BaseException:
                transport.link.close()
                raise
            self._transport = transport
        return self._transport

    def _enter(self, transport: Transport) -> None:
        try:
            transport.enter()
        except BoardError:
            if self.power_cycle is None:
                raise
            self.power_cycle()
            transport.link.drain(0.5, 10.0)
            transport.enter()

    def close(self) -> None:
        """Goes back to the friendly prompt and closes the port."""
        if self._transport is not None:
            self._transport.leave()
            self._transport.link.close()
            self._transport = None

    def reopen(self) -> None:
        """Closes and opens the port again, as after a reset that renumbers USB."""
        if self._transport is not None:
            self._transport.link.close()
            self._transport = None
        _ = self.transport

    def run(self, code: str, *, silence_s: float = 30.0) -> Iterator[dict[str, Any]]:
        """Yields the object of each `@tercet {json}` line while `code` runs.

        Ends when the program ends. Raises ProgramError when it raised, BoardError when nothing comes for `silence_s`
        or the port goes away. An abandoned iteration interrupts the program.
        """
        transport = self.transport
        transport.start(code)
        ended = False
        try:
            for line in self._lines(transport.link, silence_s):
                if line.startswith(TAG):
                    yield self._event(line[len(TAG) :])
                else:
                    self._keep(line.decode(errors="replace"))
            trace = transport.link.read_until(_END, silence_s)
            ended = True
        finally:
            if not ended:
                self.interrupt()
        if trace[:-1]:
            raise self.program_error(trace[:-1].decode(errors="replace"))

    def _keep(self, line: str) -> None:
        """Keeps an untagged line; raises BoardError on the lines that a board prints when it starts anew."""
        self.output.append(line)
        if _RESTARTED.search(line):
            raise BoardError(f"{self.port}: the board crashed and started anew: {line}", hint="; ".join(list(self.output)[-4:-1]))

    def _lines(self, link: Link, silence_s: float) -> Iterator[bytes]:
        """The lines up to the end of the program's output."""
        held = b""
        while True:
            part = link.read_until(b"\n", 0.0) or link.read(1, silence_s)
            if not part:
                raise BoardError(
                    f"{self.port}: the program said nothing for {silence_s:g} s", hint="; ".join(list(self.output)[-3:])
                )
            held += part
            if _END in held:
                line, _, rest = held.partition(_END)
                link.push_back(rest)
                if line.strip():
                    yield line.rstrip(b"\r\n")
                return
            if held.endswith(b"\n"):
                yield held.rstrip(b"\r\n")
                held = b""

    def _event(self, text: bytes) -> dict[str, Any]:
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise BoardError(f"{self.port}: the board sent a damaged line: {text[:80]!r}")
        return event

    def program_error(self, trace: str) -> ProgramError:
        """The last line of a traceback as a message; the rest is kept in `trace`."""
        last = trace.strip().splitlines()[-1] if trace.strip() else "an unnamed error"
        kind, _, text = last.partition(":")
        kind = kind.strip().rpartition(".")[2]
        where = re.findall(r'File "([^"]*)", line (\d+)', trace)
        place = f" ({where[-1][0]} line {where[-1][1]})" if where else ""
        message = f"{kind}: {text.strip()}{place}" if text else last
        return ProgramError(f"on the board: {message}", kind, trace)

    def interrupt(self) -> None:
        """Stops what runs and returns to the prompt; a board that does not is reported at its next use."""
        if self._transport is None:
            return
        try:
            self._transport.enter()
        except BoardError:
            self._transport.link.close()
            self._transport = None

    def exec(self, code: str, *, silence_s: float = 30.0) -> str:
        """What `code` prints; raises ProgramError or BoardError."""
        transport = self.transport
        transport.start(code)
        ended = False
        try:
            printed = transport.link.read_until(_END, silence_s)
            trace = transport.link.read_until(_END, silence_s)
            if not printed.endswith(_END) or not trace.endswith(_END):
                raise BoardError(f"{self.port}: no answer within {silence_s:g} s")
            ended = True
        finally:
            if not ended:
                self.interrupt()
        if trace[:-1]:
            raise self.program_error(trace[:-1].decode(errors="replace"))
        return printed[:-1].decode(errors="replace").replace("\r\n", "\n")

    def eval(self, expression: str, *, silence_s: float = 30.0) -> Any:
        """The value of an expression that prints as a Python literal."""
        text = self.exec(f"print(repr({expression}))", silence_s=silence_s).strip()
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise BoardError(f"{self.port}: {expression} gave {text[:80]!r}, which is no literal") from error

    def soft_reset(self) -> None:
        """Restarts MicroPython with an empty heap; main.py does not run."""
        self.transport.soft_reset()

    def identity(self) -> dict[str, Any]:
        """`{"machine","version","mpy","uid"}` as the board tells them; uid is hexadecimal."""
        code = (
            "import sys\ni=sys.implementation\n"
            "try:\n import machine\n u=machine.unique_id()\nexcept Exception:\n u=b''\n"
            "u=u.hex() if hasattr(u,'hex') else ''\n"
            "print(repr((getattr(i,'_machine','?'),sys.version,getattr(i,'_mpy',0),u)))"
        )
        with contextlib.suppress(ValueError, SyntaxError):
            machine, version, mpy, uid = ast.literal_eval(self.exec(code).strip())
            return {"machine": machine, "version": version, "mpy": mpy, "uid": uid}
        raise BoardError(f"{self.port}: the board does not say what it is")
