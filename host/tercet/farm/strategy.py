# SPDX-License-Identifier: Apache-2.0
"""Bringing a bench to the state in which tests may run, one state after the other, stopping at the first that is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tercet import targets
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.board.link import Link
from tercet.errors import TercetError
from tercet.meter.base import open_meter


@dataclass
class Readiness:
    """The states of a bench:

    `port` opens, `prompt` answers, `firmware` is the target's, `meter` answers with a sample.
    """

    bench: Bench
    reached: list[str] = field(default_factory=list)
    broken: str = ""
    reason: str = ""

    def reach(self) -> bool:
        """Goes through the states; False at the first broken one, whose name and reason are then set."""
        steps: dict[str, Callable[[], None]] = {
            "port": self._port, "prompt": self._prompt, "firmware": self._firmware, "meter": self._meter,
        }  # fmt: skip
        for name, step in steps.items():
            try:
                step()
            except TercetError as error:
                self.broken, self.reason = name, error.message
                return False
            self.reached.append(name)
        return True

    def _port(self) -> None:
        Link(self.bench.serial, self.bench.baudrate).close()

    def _prompt(self) -> None:
        with Board(self.bench.serial, baudrate=self.bench.baudrate) as board:
            board.eval("1 + 1")

    def _firmware(self) -> None:
        with Board(self.bench.serial, baudrate=self.bench.baudrate) as board:
            machine = board.identity()["machine"]
        expected = targets.load(self.bench.target).machine
        if expected not in machine:
            raise TercetError(f"the board says {machine!r}, {expected!r} was expected")

    def _meter(self) -> None:
        if self.bench.meter is None:
            return
        meter = open_meter(self.bench.meter, region_pin=self.bench.pins.region)
        try:
            meter.start()
            meter.wait(0, 100, 3.0)
            meter.stop()
        finally:
            meter.close()
