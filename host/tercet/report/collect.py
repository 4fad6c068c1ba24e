# SPDX-License-Identifier: Apache-2.0
"""Reads what a run left in its folder into the values that the page shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts, capture, costs, plan_format
from tercet.autodiff import graph as graphs
from tercet.report import figures
from tercet.solve import from_graph, replay, solve
from tercet.solve import schedule as schedules
from tercet.solve import show as drawing
from tercet.solve.stalls import Stall, percentile_ms
from tercet.train import records

_MS_OF_TRACE = 1e3


@dataclass
class Page:
    """Everything the template asks for: rows of tables and SVG texts by name; `late_ms`, the 99th percentile of a step's time."""

    title: str
    late_ms: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    relaxed: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)


# Phases of the replay that the marker pins show as one.
_SAME_PHASE = {"page_out": "paging", "page_in": "paging", "free": "paging"}


def collect(folder: Path) -> Page:
    """The page of a run in `folder`; what is missing there is left out."""
    graph = graphs.load(folder / "graph.json")
    table = costs.load(folder / "costs.json")
    schedule = schedules.load(folder / "schedule.json")
    problem = from_graph(graph, table, ram_bytes=schedule.meta.get("ram_budget_bytes"))
    outcome = replay(problem, schedule)
    page = Page(graph.name)
    page.provenance = {"costs": f"{table.meter}, {table.board}", "predicted": "modelled from the profile"}
    if (stall := Stall.of(table.page_out)) is not None:
        page.late_ms = percentile_ms(from_graph(graph, table.unstalled()), schedule, stall)
    keep_all = solve(problem.with_budgets(), "keep-all")
    assert keep_all.replay is not None
    budget = int(schedule.meta.get("ram_budget_bytes") or outcome.peak_bytes)
    times = [time for time, _ in outcome.timeline]
    used = [used for _, used in outcome.timeline]
    page.pictures["memory"] = figures.memory(times, used, budget, [b for _, b in keep_all.replay.timeline])
    page.pictures["schedule"] = drawing.svg(problem, schedule)
    _add_run(page, folder)
    predicted: dict[str, float] = {}
    for phase, picojoules in outcome.phase_pj.items():
        name = _SAME_PHASE.get(phase, phase)
        predicted[name] = predicted.get(name, 0.0) + picojoules / 1e12
    _add_energy(page, folder, predicted)
    if (folder / "demo.json").is_file():
        page.summary = artifacts.read_json(folder / "demo.json")["summary"]
    if (folder / "relaxed.json").is_file():
        page.relaxed = artifacts.read_json(folder / "relaxed.json")["rows"]
    names = ("model.json", "graph.json", "costs.json", "schedule.json", "plan.bin", "run.jsonl", "capture.npz", "energy.json")
    page.files = [
        {"name": name, "sha256": artifacts.sha256_file(folder / name), "bytes": f"{(folder / name).stat().st_size:,}"}
        for name in names if (folder / name).is_file()
    ]  # fmt: skip
    return page


def _add_run(page: Page, folder: Path) -> None:
    if not (folder / "run.jsonl").is_file():
        return
    head, events = records.load(folder / "run.jsonl")
    page.provenance["board"] = str(head.get("board", {}).get("machine", ""))
    metered: dict[str, Any] = next((e for e in events if e["event"] == "metered"), {"losses": []})
    steps = [i + 1 for i in range(len(metered["losses"]))] + [e["step"] for e in events if e["event"] == "step"]
    losses = [*metered["losses"], *(e["loss"] for e in events if e["event"] == "step")]
    page.pictures["loss"] = figures.loss_curve(steps, losses, len(metered["losses"]))


def _add_energy(page: Page, folder: Path, predicted: dict[str, float]) -> None:
    if not (folder / "energy.json").is_file():
        return
    body = artifacts.read_json(folder / "energy.json")
    page.provenance["metered"] = body["provenance"]
    metered: dict[str, float] = {name: entry["gross_j"] for name, entry in body["phases"].items()}
    page.pictures["energy"] = figures.energy(_in_mj(predicted), _in_mj(metered))
    for name in dict.fromkeys((*predicted, *metered)):
        time_ms = body["phases"].get(name, {}).get("time_s", 0.0) * 1e3
        row = {"predicted_mj": predicted.get(name, 0.0) * 1e3, "metered_mj": metered.get(name, 0.0) * 1e3}
        page.phases.append({"phase": name, **row, "time_ms": time_ms})
    if (folder / "capture.npz").is_file():
        page.pictures["trace"] = _trace(capture.load(folder / "capture.npz"))


def _in_mj(values: dict[str, float]) -> dict[str, float]:
    return {name: value * 1e3 for name, value in values.items()}


def _trace(found: capture.Capture) -> str:
    """The first metered step after the preamble, each tenth of a millisecond one point."""
    high = np.flatnonzero(np.diff((found.logic & 1).astype(np.int8)) == 1)
    low = np.flatnonzero(np.diff((found.logic & 1).astype(np.int8)) == -1)
    first, last = int(high[3]), int(low[low > high[3]][0])
    names = {code: name for name, code in plan_format.PHASES.items()} | {0: "idle"}
    bin_samples = max(1, (last - first) // 1500)
    starts = range(first, last - bin_samples, bin_samples)
    current = [float(np.nanmean(found.current_a[at : at + bin_samples])) * 1e3 for at in starts]
    phases = [names[int(found.logic[at] >> 1 & 7)] for at in starts]
    times = [(at - first) / found.rate_hz * _MS_OF_TRACE for at in starts]
    return figures.trace(times, current, phases)
