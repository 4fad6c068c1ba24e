# SPDX-License-Identifier: Apache-2.0
"""What the board tells: tagged JSON lines on the console, levels on the marker pins."""

import json
import sys


def emit(event, **fields):
    """Prints one line that the host picks out of everything else on the console."""
    fields["event"] = event
    # never the whole line in memory
    print("@tercet ", end="")
    json.dump(fields, sys.stdout)
    print()


class Markers:
    """Eight marker lines as one run of a port's bits, written by set and clear registers.

    D0 is high while a region (a step) runs, D1..D3 hold the phase code. `registers` is [direction set, set, clear,
    first bit], or None where a port has no such registers: then nothing is marked.
    """

    def __init__(self, registers=None):
        self.gpio = (0, 0, 0)
        if registers:
            from machine import mem32

            direction, self._set, self._clear, self._bit = registers
            self._mem = mem32
            mem32[self._clear] = 0xFF << self._bit
            mem32[direction] = 0xFF << self._bit
            self.gpio = (self._set, self._clear, self._bit + 1)

    def region(self, high):
        if self.gpio[0]:
            self._mem[self._set if high else self._clear] = 1 << self._bit

    def phase(self, code):
        if self.gpio[0]:
            self._mem[self._clear] = 7 << (self._bit + 1)
            if code:
                self._mem[self._set] = code << (self._bit + 1)

    def preamble(self):
        """Three pulses on D0 that bind a trace to its run and show an unwired line."""
        from time import sleep_us

        for _ in range(3):
            self.region(True)
            sleep_us(500)
            self.region(False)
            sleep_us(500)
