# SPDX-License-Identifier: Apache-2.0
"""The cost table of a board: what is known is kept, what is missing is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tercet import artifacts, costs, targets
from tercet.autodiff.graph import Graph
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.cli import work
from tercet.costs import CostTable
from tercet.meter.base import Meter
from tercet.plan import dataset_file
from tercet.plan.dataset_file import PackedData
from tercet.profile import bench as profiling
from tercet.profile import cases, table
from tercet.train import card, job, session


def cost_table(
    path: Path, graph: Graph, packed: PackedData, board: Board, bench: Bench, meter: Meter | None, say: Callable[[str], None]
) -> CostTable:
    """The costs in `path`, completed: what it lacks for `graph`, or has of another board, firmware or meter, is measured.

    Writes `path`. Raises MeterError when a measurement is invalid, BoardError when the board fails.
    """
    target = targets.load(bench.target)
    files = dict(session.library_files(target, work.operator_set(graph)))
    made_of = {name.rpartition("/")[2]: artifacts.sha256_bytes(content) for name, content in files.items()}
    made_of["data"] = artifacts.sha256_bytes(data := dataset_file.encode(packed))
    identity = board.identity()
    names = {"board": identity["machine"], "firmware": identity["version"],
             "meter": meter.capabilities.name if meter else "none"}  # fmt: skip
    known = costs.load(path) if path.is_file() else None
    if known and (known.inputs != made_of or any(getattr(known, key) != value for key, value in names.items())):
        known = None
    wanted = [case for case in cases.of_graph(graph) if known is None or case.name not in known.ops]
    if known is not None and not wanted:
        say(f"costs of {len(known.ops)} operators are in {path}")
        return known
    session.send(board, files)
    place: bytes | dict[str, Any] = data
    if job.goes_to_card(data, target):
        card.place_data(board, target, data, bench.card_image, work.operator_set(graph))
        place = job.data_place(data, target)
    store = {"kind": "card", **target.card} if target.card else None
    pins = (bench.pins.region, bench.pins.phases)
    runner = profiling.Bench(board, target, meter, data=place, store=store, pins=pins, progress=say)
    raw = runner.run([cases.empty(), *wanted, *(cases.pages() if store else ())], profiling.Effort())
    provenance = meter.capabilities.provenance if meter else "modelled"
    volts = raw.capture.volts if raw.capture and raw.capture.volts else 0.0
    found = table.cost_table(raw, **names, volts=volts, provenance=provenance, inputs=made_of)
    if known is not None:
        found = replace(found, ops={**known.ops, **found.ops})
    costs.save(found, path)
    return found
