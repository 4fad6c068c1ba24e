# SPDX-License-Identifier: Apache-2.0
"""Runs under MicroPython's unix port, which has no raw REPL: the raw REPL protocol on the terminal at stdin, with raw
paste.

The device's side of `tercet.board` can so be tried on a real MicroPython without a board.
"""

import io
import sys
import termios

_ISIG = 0o1
_PROMPT = b"\r\n>>> "
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_WINDOW = 128


def signals(on):
    """Whether Ctrl-C interrupts, as micropython.kbd_intr does on a board."""
    state = termios.tcgetattr(0)
    state[3] = state[3] | _ISIG if on else state[3] & ~_ISIG
    termios.tcsetattr(0, termios.TCSANOW, state)


class Micropython:
    """Stands for the module `micropython`."""

    const = staticmethod(lambda value: value)

    @staticmethod
    def kbd_intr(char):
        signals(char == 3)


def write(data):
    sys.stdout.buffer.write(data)


def read():
    return sys.stdin.buffer.read(1)


class Cooked(io.IOBase):
    def write(self, data):
        write(bytes(data).replace(b"\n", b"\r\n"))
        return len(data)


def raw_paste():
    write(b"R\x01" + bytes((_WINDOW, 0)) + b"\x01")
    code, since = bytearray(), 0
    while True:
        byte = read()
        if byte == b"\x04":
            write(b"\x04")
            return code
        if byte == b"\x03":
            return None
        code += byte
        since += 1
        if since == _WINDOW:
            write(b"\x01")
            since = 0


def execute(code, scope):
    signals(True)
    try:
        try:
            exec(compile(str(code, "utf-8"), "<stdin>", "exec"), scope)
        finally:
            signals(False)
        trace = b""
    except BaseException as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        trace = text.getvalue().encode().replace(b"\n", b"\r\n")
    write(b"\x04" + trace + b"\x04>")


def main():  # noqa: PLR0912 - one branch a key
    sys.modules["micropython"] = Micropython
    scope, line, raw = {"__name__": "__main__"}, bytearray(), False
    write(b"MicroPython stand-in" + _PROMPT)
    while True:
        try:
            byte = read()
            if byte == b"":
                return
            if byte == b"\x01":
                raw, line = True, bytearray()
                write(_RAW)
            elif byte == b"\x02":
                raw, line = False, bytearray()
                write(_PROMPT)
            elif byte == b"\x03":
                line = bytearray()
            elif byte == b"\x05" and raw:
                if read() == b"A" and read() == b"\x01":
                    code = raw_paste()
                    if code is not None:
                        execute(code, scope)
            elif byte == b"\x04":
                if raw and line:
                    write(b"OK")
                    execute(line, scope)
                else:
                    scope = {"__name__": "__main__"}
                    write((b"OK" if raw else b"") + b"\r\nMPY: soft reboot\r\n" + (_RAW if raw else _PROMPT))
                line = bytearray()
            else:
                line += byte
        except KeyboardInterrupt:
            line = bytearray()


main()
