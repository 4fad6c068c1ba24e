# SPDX-License-Identifier: Apache-2.0
"""Makes a small MicroPython board the reader of an INA228: the chip on I2C, logic levels of the board under test on GPIO.

Copy it to a board of its own (not the one under test) as main.py, after setting the pins below. Bytes from the host: `i` who are
you (a JSON line), `s` start, `x` stop. While it runs, records of 12 bytes, little-endian: kind, levels, counter modulo 256, 0,
ticks in us (u32, modulo 2^30), value (i32). Kinds: C shunt voltage in steps of 78.125 nV, V bus voltage in steps of 195.3125 uV,
E a change of the levels, X edges came faster than they could be kept.

Registers: INA228 data sheet SLYS021. ADC: shunt 280 us, bus 50 us, in turn, 40.96 mV full scale.
"""

import json
import select
import struct
import sys
from array import array
from time import ticks_us

from machine import I2C, Pin

BUS = {"id": 0, "freq": 400_000}
ADDRESS = 0x40
LEVELS = (2, 3, 4, 5)  # GPIO of D0, D1, ...
CONFIG, ADC_CONFIG, VSHUNT, VBUS, MANUFACTURER, DEVICE = 0x00, 0x01, 0x04, 0x05, 0x3E, 0x3F
RANGE_40MV = 1 << 4
CONTINUOUS = 0xB << 12 | 0 << 9 | 3 << 6
EDGES = 256
BUS_EVERY = 64


class Reader:
    def __init__(self):
        self.i2c = I2C(BUS["id"], freq=BUS["freq"])
        self.pins = [Pin(number, Pin.IN) for number in LEVELS]
        self.times, self.states = array("I", bytes(4 * EDGES)), bytearray(EDGES)
        self.head = self.tail = self.lost = self.count = 0
        self.raw, self.record = bytearray(3), bytearray(12)
        self.write_register(CONFIG, RANGE_40MV)
        self.write_register(ADC_CONFIG, CONTINUOUS)
        for pin in self.pins:
            pin.irq(self.edge, Pin.IRQ_RISING | Pin.IRQ_FALLING, hard=True)

    def write_register(self, register, value):
        self.i2c.writeto_mem(ADDRESS, register, value.to_bytes(2, "big"))

    def identity(self):
        ids = [int.from_bytes(self.i2c.readfrom_mem(ADDRESS, register, 2), "big") for register in (MANUFACTURER, DEVICE)]
        return {"reader": "tercet-ina228", "manufacturer": ids[0], "device": ids[1]}

    def levels(self):
        value = 0
        for i in range(len(self.pins)):
            value |= self.pins[i].value() << i
        return value

    def edge(self, pin):
        """Keeps moment and levels; runs in an interrupt and takes no memory."""
        following = (self.head + 1) % EDGES
        if following == self.tail:
            self.lost += 1
            return
        self.times[self.head] = ticks_us()
        self.states[self.head] = self.levels()
        self.head = following

    def send(self, kind, levels, ticks, value):
        struct.pack_into("<BBBBIi", self.record, 0, ord(kind), levels, self.count & 255, 0, ticks, value)
        self.count += 1
        sys.stdout.buffer.write(self.record)

    def convert(self, kind, register):
        """Sends a 20-bit two's complement result, which stands in the upper bits of three bytes."""
        self.i2c.readfrom_mem_into(ADDRESS, register, self.raw)
        value = (self.raw[0] << 16 | self.raw[1] << 8 | self.raw[2]) >> 4
        self.send(kind, self.levels(), ticks_us(), value - (1 << 20) if value >> 19 else value)

    def stream(self, stopped):
        self.tail = self.head
        self.count = self.lost = 0
        self.send("E", self.levels(), ticks_us(), 0)
        turn = 0
        while not stopped():
            if turn % BUS_EVERY == 0:
                self.convert("V", VBUS)
            self.convert("C", VSHUNT)
            while self.tail != self.head:
                self.send("E", self.states[self.tail], self.times[self.tail], 0)
                self.tail = (self.tail + 1) % EDGES
            if self.lost:
                self.send("X", 0, ticks_us(), self.lost)
                self.lost = 0
            turn += 1


def main():
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    reader = Reader()

    def stopped():
        return bool(poll.poll(0)) and sys.stdin.buffer.read(1) == b"x"

    while True:
        command = sys.stdin.buffer.read(1)
        if not command:
            return
        if command == b"i":
            sys.stdout.buffer.write(json.dumps(reader.identity()).encode() + b"\n")
        elif command == b"s":
            reader.stream(stopped)


if __name__ == "__main__":
    main()
