# SPDX-License-Identifier: Apache-2.0
"""`tercet solve`, `replay`, `plan`, `show`, `explain` and `pareto` on a small graph with made-up costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tercet import costs
from tercet.autodiff import graph as graphs
from tercet.autodiff import training_graph
from tercet.cli import main as entry
from tercet.costs import CostTable, OpCost, PageCost
from tercet.model import mlp
from tercet.report.collect import collect
from tercet.solve import exact

Tercet = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """graph.json and costs.json of a network of five layers."""
    graph = training_graph(mlp("small", [16, 32, 32, 32, 4]), 16)
    graphs.save(graph, tmp_path / "graph.json")
    ops = {n.signature: OpCost(10 + n.macs / 16, 50 + n.macs / 2) for n in graph.nodes}
    table = CostTable("nrf52840dk", ops, PageCost(200, 100, 20, 0, 9000), PageCost(100, 80, 20, 0, 7000), 1.0)
    costs.save(table, tmp_path / "costs.json")
    return tmp_path


@pytest.fixture
def tercet(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tercet:
    """`tercet(verb, ..., code=0)` -> the JSON that the command prints, in the folder of graph and costs."""
    monkeypatch.chdir(folder)

    def run(*words: str, code: int = 0) -> Any:
        with pytest.raises(SystemExit) as ended:
            entry.main([*words, "--json"])
        out, err = capsys.readouterr()
        assert ended.value.code == code, out + err
        return json.loads(out)

    return run


GIVEN = ("graph.json", "--costs", "costs.json")


def test_from_a_budget_to_a_plan(tercet: Tercet, folder: Path) -> None:
    found = tercet("solve", *GIVEN, "--ram", "20k", "-o", "schedule.json")
    assert found["status"] == "optimal"
    assert found["bound_j"] == found["objective_j"] and found["gap"] == found["overhead_gap"] == 0
    judged = tercet("replay", "graph.json", "schedule.json", "--costs", "costs.json")
    assert judged["legal"]
    assert judged["energy_j"] == found["objective_j"]
    assert judged["peak_bytes"] == found["peak_bytes"] <= 20 * 1024
    plan = tercet("plan", "graph.json", "schedule.json")
    assert plan["peak_bytes"] <= 20 * 1024
    assert (folder / "plan.bin").stat().st_size == plan["bytes"] <= 1024
    assert "dense_forward" in (folder / "plan.txt").read_text()
    assert tercet("show", "graph.json", "schedule.json", "--costs", "costs.json", "-o", "s.svg")["svg"] == "s.svg"
    assert (folder / "s.svg").read_text().startswith("<svg")
    assert {t["fate"] for t in tercet("explain", "graph.json", "schedule.json", "--costs", "costs.json")["tensors"]}


def test_what_is_left_out_on_demand_is_named(tercet: Tercet) -> None:
    usual = tercet("solve", *GIVEN, "--ram", "20k")
    for name, told in (("late", exact.LATE), ("gradients-stay", exact.STAY), ("waits", exact.WAITS)):
        found = tercet("solve", *GIVEN, "--ram", "20k", "--restrict", name)
        assert told in found["restrictions"] and told not in usual["restrictions"]
        assert found["objective_j"] >= usual["objective_j"]
    both = tercet("solve", *GIVEN, "--ram", "20k", "--restrict", "late", "--restrict", "waits")
    assert {exact.LATE, exact.WAITS} <= set(both["restrictions"])
    assert "exact" in tercet("solve", *GIVEN, "--ram", "20k", "--restrict", "late", "--strategy", "page-all", code=1)["error"]


def test_a_card_that_stalls_costs_its_mean_and_the_99th_percentile_is_told(tercet: Tercet, folder: Path) -> None:
    usual = tercet("solve", *GIVEN, "--ram", "20k", "--strategy", "page-all", "-o", "schedule.json")
    assert usual["paged_out"] and "time_p99_ms" not in usual
    table = costs.load(folder / "costs.json")
    late = replace(table.page_out, stall_chance=0.02, stall_us=9000.0, stall_nj=300.0, stall_ci_us=5.0)
    costs.save(replace(table, page_out=late), folder / "stalling.json")
    judged = tercet("replay", "graph.json", "schedule.json", "--costs", "stalling.json")
    mean_ms = judged["time_ms"] - usual["time_ms"]
    assert mean_ms > 0 and judged["energy_j"] > usual["objective_j"]
    assert judged["time_p99_ms"] >= usual["time_ms"] + 9 > judged["time_ms"]  # one stall at least, on top of a step without any
    (folder / "stalling.json").replace(folder / "costs.json")
    assert collect(folder).late_ms == judged["time_p99_ms"]


def test_a_budget_below_the_smallest_feasible_names_it(tercet: Tercet) -> None:
    error = tercet("solve", *GIVEN, "--ram", "8k", code=1)
    assert error["kind"] == "InfeasibleError"
    smallest = int(error["hint"].removeprefix("--ram "))
    assert str(smallest) in error["error"]
    assert tercet("solve", *GIVEN, "--ram", str(smallest))["peak_bytes"] <= smallest
    tercet("solve", *GIVEN, "--ram", str(smallest - 16), code=1)


def test_a_deadline_below_the_smallest_feasible_names_it(tercet: Tercet) -> None:
    error = tercet("solve", *GIVEN, "--ram", "20k", "--deadline-ms", "0.5", code=1)
    assert error["kind"] == "InfeasibleError"
    assert "deadline" in error["error"] and "--deadline-ms" in error["hint"]


def test_an_illegal_schedule_is_exit_code_1_with_a_reason(tercet: Tercet, folder: Path) -> None:
    tercet("solve", *GIVEN, "--ram", "20k", "-o", "schedule.json")
    body = json.loads((folder / "schedule.json").read_text())
    body["actions"] = [line for line in body["actions"] if line != "compute dense2"]
    (folder / "schedule.json").write_text(json.dumps(body))
    judged = tercet("replay", "graph.json", "schedule.json", "--costs", "costs.json", code=1)
    assert not judged["legal"]
    assert "dense2" in judged["reason"]


def test_a_schedule_of_another_model_is_refused(tercet: Tercet) -> None:
    tercet("solve", *GIVEN, "--ram", "20k", "-o", "schedule.json")
    graphs.save(training_graph(mlp("other", [16, 8, 4]), 16), Path("other.json"))
    error = tercet("plan", "other.json", "schedule.json", code=1)
    assert "dense3" in error["error"]


def test_pareto_can_be_continued(tercet: Tercet, folder: Path) -> None:
    first = tercet("pareto", *GIVEN, "--ram", "90%,100%")
    again = tercet("pareto", *GIVEN, "--ram", "80%,90%,100%")
    assert len(first) == 2 and len(again) == 3
    assert (folder / "pareto.svg").read_bytes().count(b"<svg") == 1
