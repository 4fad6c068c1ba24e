# SPDX-License-Identifier: Apache-2.0
"""The cost table of a board: what is known is kept, what is missing is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tercet import artifacts, costs, resources, targets
from tercet.autodiff import shape_cost
from tercet.autodiff.graph import Graph
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.board.flash import base as flashing
from tercet.cli import work
from tercet.costs import CostTable
from tercet.meter.base import Meter, open_meter
from tercet.plan import dataset_file
from tercet.plan.dataset_file import PackedData
from tercet.profile import bench as profiling
from tercet.profile import cases, fit, grid, power, stalls, table
from tercet.profile.bench import Effort
from tercet.profile.cases import Case
from tercet.train import card, job, session

Parts = tuple[Board, Bench, Meter | None]
# what is measured in one run; the costs of earlier runs are kept when a later one is interrupted
_CASES_A_RUN = 60


def cost_table(
    path: Path, graph: Graph, packed: PackedData, board: Board, bench: Bench, meter: Meter | None, say: Callable[[str], None],
    encrypted: bool = True, overlap: bool = False, stalling: bool = False,
) -> CostTable:  # fmt: skip
    """The costs in `path`, completed: what it lacks for `graph`, or has of another board, firmware or meter, is measured.

    `stalling`: the card's stalls too. Writes `path`. Raises MeterError when a measurement is invalid, BoardError when the board
    fails.
    """
    subject = Subject(board, bench, meter, work.operator_set(graph), packed, say, encrypted, overlap)
    found = subject.complete(path, cases.of_graph(graph), Effort())
    return subject.with_stalls(path, found) if stalling else found


def grid_table(
    path: Path, wanted: list[Case], packed: PackedData, board: Board, bench: Bench, meter: Meter | None,
    say: Callable[[str], None], encrypted: bool = True, overlap: bool = False,
) -> CostTable:  # fmt: skip
    """The costs in `path`, completed by those of a grid's cases, with the models fitted to all of them and the idle power."""
    operators = max((work.set_of(case.name.partition(":")[0]) for case in wanted if not case.python), key=work.SETS.index)
    subject = Subject(board, bench, meter, operators, packed, say, encrypted, overlap)
    found = subject.complete(path, wanted, grid.EFFORT)
    found = replace(found, fits=shape_cost.to_fits(fit.fit(found)))
    if meter and not found.power_mw:
        found = replace(found, power_mw=power.states(board, meter, subject.target, subject.pins))
    return subject.with_stalls(path, found)


@dataclass
class Subject:
    """What is profiled: a board with the native kernels of a set of operators and with data, perhaps a meter."""

    board: Board
    bench: Bench
    meter: Meter | None
    operators: str
    packed: PackedData
    say: Callable[[str], None]
    encrypted: bool = True
    overlap: bool = False

    def __post_init__(self) -> None:
        self.target = self.bench.load_target()
        self.pins = (self.bench.pins.region, self.bench.pins.phases)
        self._files = dict(session.library_files(self.target, self.operators))
        self._data = dataset_file.encode(self.packed)
        identity = self.board.identity()
        meter = self.meter.capabilities.name if self.meter else "none"
        self._names: dict[str, Any] = {
            "board": identity["machine"], "firmware": identity["version"], "meter": meter, "encrypted": self.encrypted,
            "overlap": self.overlap and bool(self.target.card.get("native")),
            "card_max_hz": self.target.card.get("max_hz", 0),
        }  # fmt: skip
        self._inputs = {name.rpartition("/")[2]: artifacts.sha256_bytes(content) for name, content in self._files.items()}
        self._inputs["data"] = artifacts.sha256_bytes(self._data)

    def complete(self, path: Path, cases_wanted: list[Case], effort: Effort) -> CostTable:
        """The table in `path` with every case; it is written after each run, so that an interrupted profile goes on."""
        known = costs.load(path) if path.is_file() else None
        if known and (known.inputs != self._inputs or any(getattr(known, key) != value for key, value in self._names.items())):
            known = None
        wanted = [case for case in cases_wanted if known is None or case.name not in known.ops]
        # the large ones last: should one not fit the board, the costs of all others are there
        wanted.sort(key=lambda case: case.arena_bytes)
        if known is not None and not wanted:
            self.say(f"costs of {len(known.ops)} operators are in {path}")
            return known
        runner = self.runner()
        for first in range(0, len(wanted), _CASES_A_RUN):
            found = self._measure(runner, wanted[first : first + _CASES_A_RUN], known is None, effort)
            if known is not None:
                found = replace(known, ops={**known.ops, **found.ops})
            known = found
            costs.save(known, path)
        assert known is not None
        return known

    def with_stalls(self, path: Path, found: CostTable) -> CostTable:
        """The table with the stalls of the board's card, if it has one; writes `path`."""
        if self.target.card and not found.page_out.stall_ci_us:
            found = stalls.measure(self.runner(), found)
        costs.save(found, path)
        return found

    def runner(self) -> profiling.Bench:
        """The board with everything on it that cases need."""
        target = self.target
        session.send(self.board, self._files)
        place: bytes | dict[str, Any] = self._data
        if job.goes_to_card(self._data, target):
            card.place_files(self.board, target, {job.DATA_BLOCK: self._data}, self.bench.card_image, self.operators)
            place = job.data_place(self._data, target)
        store = {"kind": "card", **target.card} if target.card else None
        return profiling.Bench(
            self.board, target, self.meter, data=place, store=store, encrypted=self.encrypted, overlap=self.overlap,
            pins=self.pins, progress=self.say,
        )  # fmt: skip

    def _measure(self, runner: profiling.Bench, wanted: list[Case], pages: bool, effort: Effort) -> CostTable:
        paging = cases.pages() if pages and self.target.card else []
        paging += cases.beside() if paging and runner.overlap else []
        raw = runner.run([cases.empty(), *wanted, *paging], effort)
        provenance = self.meter.capabilities.provenance if self.meter else "modelled"
        volts = raw.capture.volts if raw.capture and raw.capture.volts else 0.0
        return table.cost_table(
            raw, **self._names, volts=volts, provenance=provenance, inputs=self._inputs, card_hz=runner.card_hz
        )  # fmt: skip


@contextmanager
def flashed(bench: Bench) -> Iterator[Parts]:
    """The bench's board with our firmware on it, the bench, and its armed meter."""
    flashing.flash(bench, targets.load(bench.target), resources.firmware(bench.target))
    meter = open_meter(bench.meter, region_pin=bench.pins.region) if bench.meter else None
    try:
        with Board(bench.serial) as board:
            yield board, bench, meter
    finally:
        if meter is not None:
            meter.close()


def describe(found: CostTable, path: Path) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "costs": str(path), "operators": len(found.ops), "baseline_mw": found.baseline_mw, "power_mw": found.power_mw,
        "fits": found.fits, "card_hz": found.card_hz, "page_out": vars(found.page_out), "page_in": vars(found.page_in),
    }  # fmt: skip


def text(found: CostTable, path: Path) -> str:
    """The same for people: the models with their residuals."""
    lines = [f"{len(found.ops)} operators in {path}; {found.baseline_mw:.4g} mW idle"]
    if found.card_hz:
        lines.append(f"card     {found.card_hz / 1e6:g} MHz on its bus")
    if found.power_mw:
        lines.append("power    " + ", ".join(f"{name} {value:.4g} mW" for name, value in found.power_mw.items()))
    for name, page in (("page out", found.page_out), ("page in", found.page_in)):
        if page.stall_ci_us:
            lines.append(
                f"{name:<9}{page.per_block_us:.0f} us a block; stalls {page.stall_chance:.2%} of {page.stall_us / 1000:.1f} ms,"
                f" {page.stall_chance * page.stall_us:.1f} +- {page.stall_ci_us:.1f} us a block"
            )
    if found.fits:
        lines.append(f"{'model':<44}{'shapes':>7}{'time':>8}{'energy':>8}{'left out':>10}   largest error")
    for name, entry in sorted(found.fits.items()):
        left = "" if entry["left_out"] is None else f"{entry['left_out']:.1%}"
        lines.append(f"{name:<44}{entry['shapes']:>7}{entry['time_residual']:>8.1%}{entry['energy_residual']:>8.1%}{left:>10}")
    return "\n".join(lines)
