# SPDX-License-Identifier: Apache-2.0
"""A meter of known currents on a pty, written from the protocol's description: bytes in, bytes out, no analogue side."""

import contextlib
import os
import pty
import select
import struct
import threading
import tty

SHUNTS = (1031.64, 101.65, 10.15, 0.94, 0.043)


def word(adc, rng, counter, logic):
    return adc | rng << 14 | counter % 64 << 18 | logic << 24


def adc_for(current_a, rng):
    """The ADC value of a current with the default constants (GS 0, GI 1)."""
    return round(current_a * SHUNTS[rng] * 163840 / 1.8 / 4)


class Unit:
    """Answers commands; each START sends `stream` (bytes) in pieces of `piece` bytes."""

    def __init__(self, stream=b"", *, piece=4000, metadata_pieces=7, stale=b"", silent=False, values=None):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port, self._slave = os.ttyname(slave), slave
        self.stream, self.piece, self.pieces, self.stale, self.silent = stream, piece, metadata_pieces, stale, silent
        self.values = values or {}
        self.commands = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            while not self._end.is_set():
                if select.select([self.master], [], [], 0.02)[0]:
                    self._obey(os.read(self.master, 4096))

    def _obey(self, data):
        at = 0
        while at < len(data):
            length = {0x0C: 2, 0x0D: 3, 0x11: 2, 0x25: 6}.get(data[at], 1)
            command = bytes(data[at : at + length])
            at += length
            self.commands.append(command)
            if self.silent:
                continue
            if command == b"\x19":
                text = self.stale + self.metadata()
                size = -(-len(text) // self.pieces)
                for first in range(0, len(text), size):
                    os.write(self.master, text[first : first + size])
                    self._end.wait(0.01)
            elif command == b"\x06":
                for first in range(0, len(self.stream), self.piece):
                    self._write(self.stream[first : first + self.piece])

    def _write(self, data):
        while data and not self._end.is_set():
            if select.select([], [self.master], [], 0.02)[1]:
                data = data[os.write(self.master, data) :]

    def metadata(self):
        lines = ["Calibrated: 0"]
        for key, values in (("R", SHUNTS), ("GS", (0,) * 5), ("GI", (1,) * 5), ("O", (0,) * 5), ("S", (0,) * 5), ("I", (0,) * 5)):
            lines += [f"{key}{r}: {self.values.get(f'{key}{r}', value)}" for r, value in enumerate(values)]
        return ("\n".join([*lines, "VDD: 3000", "HW: 9173", "mode: 1", "IA: 56", "END"]) + "\n").encode()

    def close(self):
        self._end.set()
        self._thread.join(5)
        for handle in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(handle)


def stream_of(currents_a, logic, rng=2, first=0):
    """The bytes of samples in one range."""
    words = [word(adc_for(i, rng), rng, first + n, level) for n, (i, level) in enumerate(zip(currents_a, logic, strict=True))]
    return struct.pack(f"<{len(words)}I", *words)
