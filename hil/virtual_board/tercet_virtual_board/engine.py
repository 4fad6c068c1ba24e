# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated chip: a thin face of the C core."""

import ctypes as c
import enum
import hashlib

import numpy as np

from tercet_virtual_board import library, soc

CYCLE_MODELS = ["zero", "full", "instructions"]


class Stop(enum.IntEnum):
    """Why the chip stopped running."""

    NONE, SLICE, HALT, REPORT, SYSTEM_OFF, INPUT = range(6)


class View(c.Structure):
    """Counters and state; the same fields as `struct view` of interface.c."""

    _fields_ = [
        *((name, c.c_uint64) for name in (
            "cycle", "instructions", "skipped", "slept_cycles", "exceptions_taken", "erase_count", "write_count",
            "bins_lost", "wait_cycles", "spim3_violations",
        )),
        ("soc_coulomb", c.c_double),
        ("card_coulomb", c.c_double),
        ("reset_reason", c.c_uint32),
        ("reset_count", c.c_uint32),
        *((name, c.c_uint8) for name in (
            "sleeping", "halted", "locked_up", "flash_dirty", "exact", "pins", "protected", "system_off",
        )),
    ]


class Chip:
    """One emulated nRF52840.

    `ram_kb` may exceed the real chip's 256; `seed` decides the random number generator, device identity and RAM noise.
    `cycle_model`: "zero" wait states, "full" with those of the flash and its cache, or "instructions", where each
    instruction takes one cycle, so that the cycle counter counts instructions. Virtual time is counted in cycles of
    64 MHz.
    """

    def __init__(self, ram_kb: int = 256, seed: int = 1, cycle_model: str = "zero"):
        self.lib = library.load()
        self.ram_bytes = ram_kb * 1024
        self._board = self.lib.tb_create(self.ram_bytes, seed)
        if not self._board:
            raise RuntimeError("the emulation engine does not start")
        self._callbacks: tuple = ()
        self.call("cycle_model", CYCLE_MODELS.index(cycle_model))
        self.flash = self._array(self.lib.tb_flash, soc.FLASH_BYTES, c.c_uint8)
        self.ram = self._array(self.lib.tb_ram, self.ram_bytes, c.c_uint8)
        self.uicr = self._array(self.lib.tb_uicr, 0x400, c.c_uint32)
        self.ficr = self._array(self.lib.tb_ficr, 0x400, c.c_uint32)
        for offset, word in soc.ficr(seed, ram_kb).items():
            self.ficr[offset >> 2] = word
        currents = soc.currents_na()
        self.lib.tb_currents(self._board, (c.c_int64 * len(currents))(*currents), len(currents))

    def _array(self, function, count: int, kind) -> np.ndarray:
        return np.ctypeslib.as_array(c.cast(function(self._board), c.POINTER(kind)), (count,))

    def close(self) -> None:
        """Gives everything back. The chip must not be used afterwards."""
        if self._board:
            del self.flash, self.ram, self.uicr, self.ficr
            self.lib.tb_destroy(self._board)
            self._board = None

    def connect(self, spi, pin, watched_pins: int) -> None:
        """Calls `spi(cycle, bus, pins, tx, rx_buffer, cycles_per_byte)` per transfer and `pin(cycle, pin, level)`.

        `watched_pins`: bit n for pin n (P1.00 is 32). `pins`: clock, output, input, and the cycles from the clock's edge to the
        sampling of the input. `tx` is bytes; `rx_buffer` a writable ctypes array to fill.
        """

        def on_spi(cycle, bus, pins, tx, rx, count, cycles_per_byte):
            sent = c.string_at(tx, count)
            spi(cycle, bus, pins[0:4], sent, (c.c_uint8 * count).from_address(rx), cycles_per_byte)

        self._spi, self._pin, self._watched = library.SPI_CALLBACK(on_spi), pin, watched_pins
        self._register()

    def watch(self, pin: int, callback) -> None:
        """Also calls `callback(cycle, pin, level)` at each change of one more pin; after `connect`."""
        others = self._pin
        self._pin = lambda cycle, which, level: (callback if which == pin else others)(cycle, which, level)
        self._watched |= 1 << pin
        self._register()

    def _register(self) -> None:
        self._callbacks = (self._spi, library.PIN_CALLBACK(self._pin))
        self.lib.tb_callbacks(self._board, *self._callbacks, self._watched & 0xFFFFFFFF, self._watched >> 32)

    def run(self, until_cycle: int) -> Stop:
        """Runs until the given cycle (or a little later: blocks are not divided) or until something needs attention."""
        return Stop(self.lib.tb_run(self._board, until_cycle))

    def view(self) -> View:
        """Present counters and state."""
        view = View()
        self.lib.tb_view(self._board, c.byref(view))
        return view

    @property
    def report(self) -> str:
        """What stopped the board, in words, after Stop.REPORT."""
        return self.lib.tb_report(self._board).decode()

    def call(self, name: str, *arguments):
        """Calls the core's function `tb_<name>` with this chip."""
        return getattr(self.lib, f"tb_{name}")(self._board, *arguments)

    def load(self, address: int, data: bytes) -> None:
        """Puts bytes into flash, RAM or UICR from outside. Raises ValueError outside of the memory map."""
        if self.call("load", address, data, len(data)):
            raise ValueError(f"0x{address:08x}..0x{address + len(data):08x} is not memory of the nRF52840")

    def serial_take(self) -> bytes:
        """Bytes that UARTE0 has sent since the last call."""
        buffer = c.create_string_buffer(65536)
        count = self.call("serial_take", buffer, 65536)
        return buffer.raw[:count]

    def serial_give(self, data: bytes, cycle: int) -> int:
        """Queues bytes for UARTE0's receiver, not before `cycle`; returns how many fitted."""
        return self.call("serial_give", data, len(data), cycle)

    def meter_take(self, limit: int = 1 << 16) -> tuple[np.ndarray, np.ndarray]:
        """Samples of 10 us: current in uA (float64) and logic level of D0..D7 (uint8), at most `limit`."""
        current, logic = np.empty(limit), np.empty(limit, np.uint8)
        count = self.call("meter_take", current.ctypes.data, logic.ctypes.data, limit)
        return current[:count], logic[:count]

    def path(self, count: int = 1000) -> list[int]:
        """Addresses of the last blocks that ran, oldest first."""
        buffer = (c.c_uint32 * count)()
        have = self.call("path", buffer, count)
        return list(buffer[:have])

    def registers(self) -> dict[str, int]:
        """Core registers by name."""
        names = [*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr", "msp", "psp"]
        return {name: self.call("register_read", number) for number, name in enumerate(names)}

    def digest(self) -> dict[str, str | int | float]:
        """What two equal runs must share: cycles, instructions, charge, and hashes of RAM and flash."""
        view = self.view()
        return {
            "cycle": view.cycle, "instructions": view.instructions, "skipped": view.skipped,
            "wait_cycles": view.wait_cycles,
            "soc_coulomb": view.soc_coulomb, "card_coulomb": view.card_coulomb,
            "ram": hashlib.sha256(self.ram.tobytes()).hexdigest(),
            "flash": hashlib.sha256(self.flash.tobytes()).hexdigest(),
        }
