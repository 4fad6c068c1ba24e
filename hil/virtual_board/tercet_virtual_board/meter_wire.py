# SPDX-License-Identifier: GPL-2.0-or-later
"""The power meter's serial port: samples of the chip's current, on a second pseudo-terminal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tercet_virtual_board.engine import Chip
from tercet_virtual_board.meter import Ppk2
from tercet_virtual_board.options import Options
from tercet_virtual_board.supply import Supply
from tercet_virtual_board.wires import Pty

RAILS = {"board": 1, "soc": 2}  # what the meter feeds: chip and card, or the chip alone
CAPACITY = 1 << 17  # 1.3 s of samples


class MeterWire:
    """Feeds the meter with samples and moves its bytes. Without a client it costs nothing.

    A client that does not read stops virtual time (`blocked`): no sample is ever lost here.
    """

    def __init__(self, chip: Chip, options: Options, supply: Supply):
        self._chip = chip
        self._wire = Pty()
        self.meter = Ppk2(seed=options.seed, noise=options.meter_noise, on_power=supply.switch)
        self._unsent = bytearray()
        self._connected = self._metered = False
        self._rail = RAILS[options.rail]
        self.path = self._wire.path
        self.silent = False  # neither obeys nor sends
        self.load_ua = 0.0  # of something else on the rail
        self.stuck = 0, 0  # logic inputs off their wire: mask, and the levels that they show
        self.on_samples: Callable[[np.ndarray, np.ndarray], None] = lambda *_: None
        self._second = Pty()
        self._link(options.state)

    def _link(self, folder: Path) -> None:
        """Names both ports after their USB interfaces, as the real instrument shows them: the lower one measures."""
        for name, wire in (("meter-if01", self._wire), ("meter-if03", self._second)):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(wire.path)

    def filenos(self) -> list[int]:
        """Descriptors worth waiting for."""
        return [*self._wire.filenos(), *self._second.filenos()]

    def blocked(self) -> bool:
        """True while a client has to read before virtual time may go on."""
        if self._unsent:
            if not self._wire.connected():
                self._unsent.clear()
            else:
                del self._unsent[: self._wire.write(bytes(self._unsent))]
        return bool(self._unsent)

    def serve(self) -> None:
        """Obeys the client and sends the samples of the last slice."""
        self._second.write(self.meter.feed_second_port(self._second.read()))
        connected = self._wire.connected()
        if connected != self._connected:
            self._connected = connected
            (self.meter.port_opened if connected else self.meter.port_closed)()
        # Samples are the meter's clock: in source mode it needs them for a while after the port was closed.
        wanted = connected or (self.meter.mode == "source" and self.meter.power_on)
        if wanted != self._metered:
            self._metered = wanted
            self._chip.call("meter", self._rail if wanted else 0, CAPACITY)
        if wanted:
            # The samples of the past come before what is switched on now.
            self.take()
        if not connected:
            self._unsent.clear()
            return
        command = self._wire.read()
        if command and not self.silent:
            self._unsent += self.meter.feed_host_bytes(command)
        self.blocked()

    def take(self) -> None:
        """Sends the samples up to now through the meter."""
        if not self._metered:
            return
        current_ua, logic = self._chip.meter_take(CAPACITY)
        current_ua, logic = current_ua + self.load_ua, (logic & ~np.uint8(self.stuck[0])) | np.uint8(self.stuck[1])
        self.on_samples(current_ua, logic)
        sent = self.meter.push(current_ua, logic)
        self._unsent += b"" if self.silent else sent

    def close(self) -> None:
        """Closes both ports."""
        self._wire.close()
        self._second.close()
