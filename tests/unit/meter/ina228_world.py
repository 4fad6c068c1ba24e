# SPDX-License-Identifier: Apache-2.0
"""Runs the INA228's reader on MicroPython's unix port in a world of its own: chip, pins and time are simulated.

Arguments: the reader's path, the chip's device number. Three pulses of 0.5 ms, two regions of 40 ms at 6 mA, else 2 mA; 3 V and
0.5 ohm.
"""

import sys
from array import array

READER, DEVICE = sys.argv[1], int(sys.argv[2])
SHUNT_OHM, STEP_US = 0.5, 500
_high = [(5_000 + 1000 * i, 5_500 + 1000 * i) for i in range(3)] + [(60_000, 100_000), (110_000, 150_000)]
EDGES = array("I", [at for pulse in _high for at in pulse])
handlers = []


class World:
    now = 0
    passed = 0


def advance():
    end = World.now + STEP_US
    while World.passed < len(EDGES) and EDGES[World.passed] <= end:
        World.now = EDGES[World.passed]
        World.passed += 1
        handlers[0](None)
    World.now = end


class I2C:
    def __init__(self, _, freq):
        assert freq == 400_000

    def writeto_mem(self, address, register, data):
        assert address == 0x40 and register in (0, 1) and len(data) == 2

    def readfrom_mem(self, address, register, count):
        assert address == 0x40 and count == 2
        return {0x3E: 0x5449, 0x3F: DEVICE}[register].to_bytes(2, "big")

    def readfrom_mem_into(self, address, register, into):
        advance()
        region = World.passed % 2 and World.passed > 6
        value = round(3.0 / 195.3125e-6) if register == 5 else round((0.006 if region else 0.002) * SHUNT_OHM / 78.125e-9)
        into[:] = (value << 4).to_bytes(3, "big")


class Pin:
    IN, IRQ_RISING, IRQ_FALLING = 0, 1, 2

    def __init__(self, number, mode):
        self.first = number == 2

    def irq(self, handler, trigger, hard):
        handlers.append(handler)

    def value(self):
        return World.passed % 2 if self.first else 0


class Machine:
    pass


class Time:
    @staticmethod
    def ticks_us():
        return (World.now + (1 << 30) - 90_000) % (1 << 30)  # it turns over in the midst of a region


Machine.I2C, Machine.Pin = I2C, Pin
sys.modules["machine"], sys.modules["time"] = Machine, Time
with open(READER) as stream:
    exec(stream.read(), {"__name__": "__main__"})
