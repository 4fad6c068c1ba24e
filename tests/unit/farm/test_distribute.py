# SPDX-License-Identifier: Apache-2.0
"""Tests over places: every test runs once, a place that breaks costs one test, the rest go on."""

from collections import deque
from pathlib import Path

import pytest
from tercet.board import bench as benches
from tercet.errors import BoardError, InputError
from tercet.farm import distribute, loopback, strategy
from tercet.farm import suite as suites
from tercet.farm.client import Place

PARAMETERS = {
    "serial": "/dev/none", "meter": "/dev/m", "volts": 3.0, "rail": "VDD", "card_on_rail": True, "target_name": "nrf52840dk",
}  # fmt: skip


class FakeFarm:
    """Places handed out in the order of the reservations."""

    def __init__(self, names):
        self.names, self.free, self.released = names, deque(names), []

    def reserve(self, **tags):
        assert tags == loopback.TAGS
        return f"token-{len(self.free)}"

    def wait(self, token):
        pass

    def acquire(self, token):
        return Place(self.free.popleft(), "localhost", PARAMETERS)

    def release(self, name, token):
        self.released.append(name)


def result(name, outcome):
    return {"name": name, "outcome": outcome, "seconds": 0.1, "reason": ""}


@pytest.fixture
def distribution(monkeypatch):
    """A function that runs tests on places; `dies` says at which test which place's board dies."""

    def make(tests, places, dies):
        dead = set()

        def run_part(place, suite, bench, part):
            found = []
            for name in part:
                if dies.get(place.name) == name:
                    dead.add(place.name)
                found.append(result(name, "invalid" if place.name in dead else "passed"))
            return found

        class Ready:
            broken, reason = "port", "it is gone"

            def __init__(self, bench):
                self.name = bench.name

            def reach(self):
                return self.name not in dead

        monkeypatch.setattr(distribute, "run_part", run_part)
        monkeypatch.setattr(distribute, "Readiness", Ready)
        farm = FakeFarm(places)
        work = distribute.Distribution(farm, Path("hil"), deque(tests))
        return work, farm

    return make


TESTS = [f"hil/test_x.py::test_{i}" for i in range(23)]


def test_every_test_runs_once(distribution):
    work, farm = distribution(TESTS, ["a", "b", "c"], {})
    found = work.run(3)
    assert sorted(test["name"] for test in found["tests"]) == sorted(TESTS)
    assert found["passed"] == 23 and sorted(farm.released) == ["a", "b", "c"]


def test_a_board_that_dies_costs_one_test_and_the_rest_go_on(distribution):
    work, farm = distribution(TESTS, ["a"], {})
    first = work._take()[1]
    work.waiting.extendleft(reversed(TESTS[:4]))
    work, farm = distribution(TESTS, ["a", "b"], {"a": first, "b": "nothing"})
    found = work.run(2)
    assert sorted(test["name"] for test in found["tests"]) == sorted(TESTS)
    died = [test for test in found["tests"] if test["outcome"] == "invalid"]
    assert len(died) <= 1 and all(test["name"] == first for test in died)
    assert set(found["broken_places"]) == {test["place"] for test in died}
    assert sorted(farm.released) == ["a", "b"]


def test_when_every_place_breaks_it_says_so(distribution):
    work, _ = distribution(TESTS, ["a"], {"a": TESTS[5]})
    with pytest.raises(BoardError, match="a: port: it is gone"):
        work.run(1)


def test_a_place_becomes_a_bench_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(Place("a", "localhost", PARAMETERS).bench_file())
    found = benches.load(path)
    assert found.meter.volts == 3.0 and found.meter.card_on_rail is True and found.serial == "/dev/none"


def test_the_first_broken_state_ends_the_way(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(Place("a", "localhost", PARAMETERS).bench_file())
    ready = strategy.Readiness(benches.load(path))
    assert not ready.reach()
    assert ready.reached == [] and ready.broken == "port" and "/dev/none" in ready.reason


JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="hil.test_a" name="test_1" file="hil/test_a.py" time="0.5">
<properties><property name="energy_uj" value="3"/></properties></testcase>
<testcase name="test_2" file="hil/test_a.py" time="0.25"><failure message="energy FAIL: too much"/></testcase>
<testcase name="test_3" file="hil/test_a.py" time="0"><error message="energy INVALID: lost_samples"/></testcase>
<testcase classname="hil.test_a" name="test_4" file="hil/test_a.py" time="0"><skipped message="no card"/></testcase>
</testsuite></testsuites>"""


def test_a_junit_file_is_counted():
    found = suites.parse(JUNIT)
    assert [found[name] for name in ("passed", "failed", "invalid", "skipped")] == [1, 1, 1, 1]
    assert found["tests"][0]["energy_uj"] == "3" and found["tests"][2]["reason"] == "energy INVALID: lost_samples"
    assert "1 invalid" in suites.summary(found) and "lost_samples" in suites.summary(found)


def test_records_are_of_real_benches_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="real benches"):
        suites.identity(suites.Selection(tmp_path))
    assert suites.last_record(tmp_path) == "never"
    suites.record(suites.parse(JUNIT), {"name": "desk", "kind": "attached"}, tmp_path)
    assert suites.last_record(tmp_path).startswith("20")
