# SPDX-License-Identifier: Apache-2.0
"""The judge, by hand: every rule of legality, memory at each event, both clocks."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from tercet.errors import ArtifactError
from tercet.solve import schedule as schedules
from tercet.solve.overlap import hide
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule, parse

_spec = importlib.util.spec_from_file_location("solve_conftest_replay", Path(__file__).with_name("conftest.py"))
_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_conftest)
CHAIN = _conftest.chain()
KEEP = "compute read; compute first; compute second; free h; free y; free x"  # not a whole step


def judge(text, problem=CHAIN):
    lines = [line.strip() for line in text.split(";")]
    return replay(problem, Schedule(tuple(parse(line) for line in lines)))


STEP = "compute read; compute first; compute second; compute back; free y; free h; update learn"
PAGED = (
    "compute read; compute first; page_out x; free x; compute second; compute back; free y; free h;"
    "page_in x; update learn"
)


def test_keep_all_by_hand():
    outcome = judge(STEP)
    assert outcome.legal, outcome.reason
    assert (outcome.peak_bytes, outcome.energy_pj, outcome.time_ns) == (410, 4100, 4100)
    assert [event.bytes_during for event in outcome.events] == [110, 210, 310, 410, 410, 310, 210]
    assert outcome.peak_event == 3 and outcome.phase_pj["update"] == 1000


def test_paging_by_hand_serial_and_overlapped():
    serial = judge(PAGED)
    assert serial.legal and (serial.peak_bytes, serial.energy_pj, serial.time_ns) == (310, 5500, 5100)
    # the page-out of x is waited for by its free at once, the page-in by the update that reads it
    assert judge(PAGED, replace(CHAIN, overlap=True)).time_ns == 5100
    early = PAGED.replace("free x; compute second;", "compute second; free x;")
    late = judge(early, replace(CHAIN, overlap=True))
    assert late.legal and late.time_ns == 4600 and late.peak_bytes == 310
    assert judge(early).time_ns == 5100


LEAVES_LATE = PAGED.replace("page_out x; free x; compute second;", "compute second; page_out x; free x;")


@pytest.mark.parametrize("text", [PAGED, LEAVES_LATE])
def test_a_page_out_begins_at_once_and_its_free_comes_late(text):
    tight = replace(CHAIN, overlap=True, baseline_mw=1.0).with_budgets(310)
    given = Schedule(tuple(parse(line.strip()) for line in text.split(";")))
    hidden = replay(tight, hide(tight, given))
    assert hidden.legal and hidden.time_ns == 4600
    # with more room x stays where it is and nothing is moved
    roomy = tight.with_budgets(410)
    assert replay(roomy, hide(roomy, given)).time_ns == 4100


def test_a_transfer_takes_its_share_of_the_processor_from_what_is_computed_meanwhile():
    items = {name: replace(item, out_cpu_ns=200, in_cpu_ns=100) for name, item in CHAIN.items.items()}
    shared = replace(CHAIN, overlap=True, items=items)
    early = PAGED.replace("free x; compute second;", "compute second; free x;")
    # `second` takes 1000: 300 of them in the 500 of the page-out, so 200 later; nobody computes while x comes back
    assert judge(early, shared).time_ns == 4600 + 200
    # whoever waits for a transfer pays nothing for what is done in it; in turn, everything adds up
    assert judge(PAGED, shared).time_ns == 5100
    assert judge(PAGED, replace(shared, overlap=False)).time_ns == 5100 + 300


def test_static_power_is_paid_for_the_makespan():
    powered = replace(CHAIN, baseline_mw=2.0)
    assert judge(PAGED, powered).energy_pj == 5500 + 2 * 5100
    assert sum(judge(PAGED, powered).phase_pj.values()) == judge(PAGED, powered).energy_pj


ILLEGAL = {
    "first must run before second": "compute read; compute second",
    "has run already": "compute read; compute read",
    "read has not run yet": "recompute read",
    "has a side effect": STEP + "; recompute learn",
    "every output of read is in RAM": "compute read; recompute read",
    "x is not in RAM": "compute read; free x; compute first",
    "learn never runs": STEP.replace("; update learn", ""),
    "the only valid copy of w": "free w",
    "w has been written since": STEP + "; free x; recompute read; recompute first",
    "is not on the card": "compute read; free x; page_in x",
    "x is in RAM already": "compute read; page_out x; page_in x",
    "the card's copy of w is stale": "page_out w; " + STEP + "; page_out w; free w; page_in w; compute read",
    "there is no tensor 'q'": "free q",
    "there is no node 'q'": "compute q",
    "wrong verb": STEP.replace("update learn", "compute learn"),
    "w is not in RAM at the end": STEP + "; page_out w; free w",
}


@pytest.mark.parametrize("reason", [r for r in ILLEGAL if "stale" not in r])
def test_illegal_schedules_are_refused_with_a_reason(reason):
    outcome = judge(ILLEGAL[reason])
    assert not outcome.legal and reason in outcome.reason


def test_a_card_copy_is_stale_after_a_write():
    outcome = judge("page_out w; " + STEP + "; free w")
    assert not outcome.legal and "the only valid copy of w would be lost" in outcome.reason


def test_in_place_operators_destroy_their_input():
    op = replace(CHAIN.ops[2], inplace=(("y", "h"),))
    problem = replace(CHAIN, ops=(*CHAIN.ops[:2], op, *CHAIN.ops[3:]))
    outcome = judge("compute read; compute first; compute second; compute back", problem)
    assert not outcome.legal and "h is not in RAM" in outcome.reason
    back = "compute read; compute first; compute second; recompute first; compute back; free y; free h; update learn"
    assert judge(back, problem).legal


def test_budgets_are_judged():
    assert "the budget is 409" in judge(STEP, CHAIN.with_budgets(409)).reason
    assert judge(STEP, CHAIN.with_budgets(410, 4100)).legal
    assert "the deadline is" in judge(STEP, CHAIN.with_budgets(410, 4099)).reason
    assert "bytes go to the card" in judge(PAGED, CHAIN.with_budgets(None, None, 511)).reason


def test_schedules_are_read_back_as_written(tmp_path):
    first = Schedule(tuple(parse(line.strip()) for line in PAGED.split(";")), "by hand", {"k": 1}, {"graph": "ab"})
    assert schedules.load(schedules.save(first, tmp_path / "s.json")) == first
    assert (tmp_path / "s.json").read_text().count('"page_out x"') == 1
    with pytest.raises(ArtifactError, match="action 0: 'fly x' is no action"):
        schedules.save(first, tmp_path / "s.json")
        (tmp_path / "s.json").write_text((tmp_path / "s.json").read_text().replace("compute read", "fly x"))
        schedules.load(tmp_path / "s.json")
