# SPDX-License-Identifier: Apache-2.0
"""tercet's bench inside labgrid: a resource, and drivers for board and energy that labgrid's own tests and strategies can bind.

    import tercet.farm.labgrid_adapter          # registers the classes
    bench = target.get_driver("TercetBoardDriver")

labgrid has no protocol for energy; `EnergyAnalyzerProtocol` follows the shape of its open proposal (start, stop, capture,
statistics) and adds regions. Import it on the host where the bench stands: samples must not travel through a serial export.
"""

from __future__ import annotations

import abc
from typing import Any

import attr
from labgrid.driver.common import Driver
from labgrid.factory import target_factory
from labgrid.resource.common import NetworkResource

from tercet import targets
from tercet.board.base import Board
from tercet.board.bench import MeterWiring
from tercet.capture import Capture
from tercet.meter.base import Meter, open_meter
from tercet.profile.region import Metered, measure_code


class EnergyAnalyzerProtocol(abc.ABC):
    """A meter beside a board."""

    @abc.abstractmethod
    def start(self) -> None:
        """Begins a capture."""

    @abc.abstractmethod
    def stop(self) -> Capture:
        """Ends it."""

    @abc.abstractmethod
    def get_statistics(self) -> dict[str, Any]:
        """Mean, maximum, charge and energy of the last capture."""

    @abc.abstractmethod
    def regions(self, code: str, count: int) -> Metered:
        """Energies of `count` marked regions of a program, with their validity."""


@target_factory.reg_resource
@attr.s(eq=False)
class TercetBench(NetworkResource):
    """What an exporter says of a bench: the entries of a bench file, flat."""

    serial = attr.ib(default="", validator=attr.validators.instance_of(str))
    probe = attr.ib(default="")
    target_name = attr.ib(default="nrf52840dk")
    meter = attr.ib(default="")
    meter_kind = attr.ib(default="ppk2")
    mode = attr.ib(default="ampere")
    volts = attr.ib(default=None)
    rail = attr.ib(default="")
    card_on_rail = attr.ib(default=False)
    usb_on_rail = attr.ib(default=False)


@target_factory.reg_driver
@attr.s(eq=False)
class TercetBoardDriver(Driver):
    """The board at its MicroPython prompt: `board` is a `tercet.board.base.Board`."""

    bindings = {"bench": TercetBench}  # noqa: RUF012 - labgrid reads it from the class

    def on_activate(self) -> None:
        """Opens the port."""
        self.board = Board(self.bench.serial)

    def on_deactivate(self) -> None:
        """Closes it."""
        self.board.close()


@target_factory.reg_driver
@attr.s(eq=False)
class TercetMeterDriver(Driver, EnergyAnalyzerProtocol):
    """The bench's meter."""

    bindings = {"bench": TercetBench, "driver": TercetBoardDriver}  # noqa: RUF012

    def on_activate(self) -> None:
        """Arms the meter; raises MeterError when it does not answer."""
        b = self.bench
        wiring = MeterWiring(b.meter_kind, b.meter, b.mode, b.volts, b.rail, b.card_on_rail, b.usb_on_rail)
        self._meter: Meter = open_meter(wiring)
        self._last: Capture | None = None

    def on_deactivate(self) -> None:
        """Releases it."""
        self._meter.close()

    def start(self) -> None:
        """Begins a capture."""
        self._meter.start()

    def stop(self) -> Capture:
        """Ends it and returns all samples."""
        self._last = self._meter.stop()
        return self._last

    def get_statistics(self) -> dict[str, Any]:
        """Of the last capture; empty before the first."""
        return self._last.statistics() if self._last else {}

    def regions(self, code: str, count: int) -> Metered:
        """Runs `code` in `count` marked regions."""
        metered = measure_code(self.driver.board, self._meter, targets.load(self.bench.target_name), code, regions=count)
        self._last = metered.capture
        return metered
