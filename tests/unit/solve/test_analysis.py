# SPDX-License-Identifier: Apache-2.0
"""Pictures, explanations, sweeps and overlap."""

import importlib.util
import threading
import xml.dom.minidom
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tercet.errors import ArtifactError, InfeasibleError, InputError, TercetError
from tercet.solve import exact, explain, overlap, pareto, show, solve, stalls
from tercet.solve.replay import replay
from tercet.solve.tidy import tidy

_spec = importlib.util.spec_from_file_location("solve_conftest_analysis", Path(__file__).with_name("conftest.py"))
_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_conftest)
CHAIN = _conftest.chain().with_budgets(310)


def test_pictures_show_every_action():
    found = solve(CHAIN).schedule
    picture = show.svg(CHAIN, found)
    assert xml.dom.minidom.parseString(picture)
    lines = show.text(CHAIN, found).splitlines()
    assert len(lines) == 2 + sum(action.verb != "free" for action in found.actions)
    assert "recompute read" in picture and any("recompute read" in line and "R" in line for line in lines)


def test_explanations_name_the_cheaper_way_and_what_more_would_save():
    said = explain.explain(CHAIN, solve(CHAIN).schedule)
    fate = next(tensor for tensor in said["tensors"] if tensor["tensor"] == "x")
    assert fate["fate"] == "recomputed" and fate["reason"].startswith("the cheaper way")
    assert said["binds"]["ram_left_bytes"] == 0 and said["binds"]["ram_at"].startswith("compute")
    # a kilobyte more makes room for keeping x, which costs one run of `read`
    assert said["one_kilobyte_saves_j"] == pytest.approx(100e-12)
    assert "RAM is fullest at" in explain.text(said)


def test_sweeps_are_monotone_and_taken_up_again(tmp_path):
    path = tmp_path / "sweep.csv"
    rows = pareto.sweep(CHAIN, [0.5, 0.8, 1.0], [None], path, workers=1)
    energies = [row["objective_j"] for row in rows]
    assert [row["status"] for row in rows] == ["infeasible", "optimal", "optimal"] and energies[1] > energies[2]
    before = path.read_text()
    assert pareto.sweep(CHAIN, [0.5, 0.8, 1.0], [None], path, workers=1) == rows and path.read_text() == before
    assert pareto.plot(rows, "chain").startswith(b"<?xml")
    with pytest.raises(ArtifactError, match="no sweep of other"):
        pareto.read(path, "other")


def test_ranges_and_deadlines():
    assert pareto.parse_range("20%..40%") == [0.2, 0.3, 0.4] and pareto.parse_range("50%,80%") == [0.5, 0.8]
    assert pareto.deadline_ms(7200, 20, 30) == 12000
    for bad in ("20", "a..b", "50%..20%"):
        if bad != "20":
            with pytest.raises(InputError):
                pareto.parse_range(bad)


RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(_conftest.problems(6), st.integers(4, 18))
def test_overlap_never_costs_and_its_bound_holds(problem, tens):
    beside = replace(problem, overlap=True).with_budgets(tens * 10)
    try:
        serial = exact.exact(problem.with_budgets(tens * 10), time_limit_s=20, workers=1)
    except InfeasibleError:
        return
    found = exact.exact(beside, time_limit_s=20, workers=1)
    assert replay(beside, found.schedule).legal
    assert found.bound_j <= found.objective_j <= serial.objective_j + 1e-15


@RELAXED
@given(_conftest.problems(6), st.integers(4, 18))
def test_improving_passes_stay_legal_and_never_hurt(problem, tens):
    bounded = replace(problem, overlap=True).with_budgets(tens * 10)
    try:
        found = solve(bounded, "page-all")
    except TercetError:
        return
    for better in (tidy(bounded, found.schedule), overlap.hide(bounded, found.schedule)):
        outcome = replay(bounded, better)
        assert outcome.legal and outcome.energy_pj <= round(found.objective_j * 1e12)


def test_a_sweep_that_is_stopped_keeps_what_it_has(tmp_path):
    path, stop = tmp_path / "sweep.csv", threading.Event()

    def enough(_):
        stop.set()

    first = pareto.sweep(CHAIN, [0.8, 1.0], [None], path, workers=1, say=enough, stop=stop)
    assert len(first) == 1 and pareto.read(path, "chain") == first
    assert len(pareto.sweep(CHAIN, [0.8, 1.0], [None], path, workers=1)) == 2


def test_stalls_lengthen_the_step_by_as_much_as_they_say():
    paged = replace(CHAIN, ops=tuple(replace(op, again=False) for op in CHAIN.ops))
    found = solve(paged).schedule
    time_ms = replay(paged, found).time_ms
    assert stalls.percentile_ms(paged, found, stalls.Stall(0.0, 5)) == time_ms
    assert stalls.percentile_ms(paged, found, stalls.Stall(1.0, 5)) == time_ms + 5
    # one block goes out a step: three in a hundred stall, and so does the 99th percentile; half in a hundred do not reach it
    assert stalls.percentile_ms(paged, found, stalls.Stall.parse("3%:5")) == time_ms + 5
    assert stalls.percentile_ms(paged, found, stalls.Stall.parse("0.5%:5")) == time_ms
    assert stalls.percentile_ms(CHAIN, solve(CHAIN).schedule, stalls.Stall(1.0, 5)) == solve(CHAIN).time_ms
    for bad in ("5", "x:5", "200%:5", "1%:-1"):
        with pytest.raises(InputError):
            stalls.Stall.parse(bad)


def test_weights_that_live_on_the_card_are_swept_explained_and_counted(tmp_path):
    items = {name: replace(item, movable=item.persistent, pageable=not item.persistent) for name, item in CHAIN.items.items()}
    movable = replace(CHAIN, items={**items, "w": replace(items["w"], nbytes=100)}, ram_bytes=None)
    rows = pareto.sweep(movable, [0.75, 1.0], [None], tmp_path / "sweep.csv", workers=1)
    assert [row["status"] for row in rows] == ["optimal", "optimal"]
    tight = movable.with_budgets(300)
    found = solve(tight)
    assert found.schedule.on_card == {"w"} and rows[0]["objective_j"] == found.objective_j
    said = explain.explain(tight, found.schedule)
    assert said["one_kilobyte_saves_j"] is not None and said["one_kilobyte_saves_j"] >= 0
    with pytest.raises(InfeasibleError, match="the card holds 100 bytes"):
        solve(tight.with_budgets(300, None, 100))
