# SPDX-License-Identifier: Apache-2.0
"""What a session of tests holds open: the bench, its board, its meter."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tercet.board import bench as benches
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.errors import BoardError, MeterError, TercetError
from tercet.farm import energy_artifact
from tercet.measure import verdict as verdicts
from tercet.measure.verdict import Comparison
from tercet.meter.base import Meter, open_meter
from tercet.profile.region import Metered, measure_code
from tercet.targets import Target


class Lab:
    """The bench of a test session. A board that stopped answering is replaced (a virtual one) or opened again."""

    def __init__(self, board: str | None, file: Path | None, image: Path | None, faults: Path | None) -> None:
        self._board_name, self._file = board, file
        self._start: dict[str, Any] = {"pace": "max", "image": image, "faults": faults}
        self._stack = ExitStack()
        self._bench: Bench | None = None
        self._open_board: Board | None = None
        self._meter: Meter | None = None
        self.declares_meter = file is None or benches.load(file).meter is not None

    @property
    def bench(self) -> Bench:
        """The bench; a virtual board is started at the first use."""
        if self._bench is None:
            if self._file is None and self._board_name is None:
                folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="tercet-hil-")))
                self._start["sd"] = folder / "card.img"
            self._bench = self._stack.enter_context(benches.select(self._board_name, self._file, **self._start))
        return self._bench

    @property
    def target(self) -> Target:
        """The kind of board."""
        return self.bench.load_target()

    def board(self) -> Board:
        """The board at its prompt with a fresh heap; one new attempt after a failure."""
        for attempt in (0, 1):
            try:
                if self.bench.meter and self.bench.meter.mode == "source":
                    self.meter()  # it powers the board
                if self._open_board is None:
                    self._open_board = Board(self.bench.serial, baudrate=self.bench.baudrate)
                self._open_board.soft_reset()
                return self._open_board
            except BoardError:
                self.drop()
                if attempt:
                    raise
        raise AssertionError("unreachable")

    def meter(self) -> Meter:
        """The armed meter; raises MeterError when the bench declares none or it does not answer."""
        if self._meter is None:
            if self.bench.meter is None:
                raise MeterError("the bench declares no meter")
            self._meter = open_meter(self.bench.meter, region_pin=self.bench.pins.region)
        return self._meter

    def drop(self) -> None:
        """Forgets board, meter and, if it was started here, the virtual board; the next use starts anew."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None
        if self._open_board is not None:
            self._open_board.close()
            self._open_board = None
        stack, self._stack, self._bench = self._stack, ExitStack(), None
        try:
            stack.close()
        except TercetError:
            self._bench = None

    def where(self) -> str:
        """The key of this bench's baselines."""
        wiring = self.bench.meter
        return energy_artifact.key(self.bench.target, wiring.kind if wiring else "no meter", wiring.rail if wiring else "")


class TestMeter:
    """The meter as tests see it: `run` code in marked regions; the last measurement is what the test's mark judges."""

    __test__ = False

    def __init__(self, lab: Lab, board: Board, kept: list[Metered]) -> None:
        self._lab, self._board, self._kept = lab, board, kept

    def run(self, body: str, *, setup: str = "", regions: int = 10, subtract_empty: bool = False) -> Metered:
        """See `tercet.profile.region.measure_code`."""
        pins = self._lab.bench.pins
        metered = measure_code(
            self._board, self._lab.meter(), self._lab.target, body, setup=setup, regions=regions, subtract_empty=subtract_empty,
            pins=(pins.region, pins.phases),
        )  # fmt: skip
        self._kept.append(metered)
        return metered

    def compare(self, a: str, b: str, *, setup: str = "", pairs: int = 10) -> Comparison:
        """Net energy of `b` against `a`, interleaved in one capture; raises MeterError when it is INVALID."""
        metered = self.run(f"if i & 1:\n{_indented(b)}\nelse:\n{_indented(a)}", setup=setup, regions=2 * pairs)
        if not metered.measurement.valid:
            raise MeterError(f"INVALID: {'; '.join(metered.measurement.causes)}")
        return verdicts.compare(metered.net_j(0, 2), metered.net_j(1, 2))


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.strip().splitlines())
