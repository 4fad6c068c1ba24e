# SPDX-License-Identifier: Apache-2.0
"""Tests over places: every test runs once, a place that breaks costs one test, the rest go on."""

import json
import os
import signal
import sys
import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports
from tercet.board import bench as benches
from tercet.errors import BoardError, InputError
from tercet.farm import client, distribute, host, strategy
from tercet.farm import suite as suites
from tercet.farm.client import TAGS, Farm, Place

PARAMETERS = {
    "serial": "/dev/none", "meter": "/dev/m", "volts": 3.0, "rail": "VDD", "card_on_rail": True, "target_name": "nrf52840dk",
}  # fmt: skip


class FakeFarm(Farm):
    """Places handed out in the order of the reservations; one that waits gets none as long as they last."""

    def __init__(self, names):
        self.names, self.free, self.released, self.cancelled = names, deque(names), [], []
        self.tokens = iter(range(100))

    def reserve(self, **tags):
        assert tags == TAGS
        return next(self.tokens)

    def wait(self, token, deadline_s):
        return token < len(self.names)

    def acquire(self, token):
        return Place(self.free.popleft(), "localhost", PARAMETERS)

    def release(self, name):
        self.released.append(name)

    def cancel(self, token):
        self.cancelled.append(token)


class FakeHosts:
    """Benches on which every test passes; `dies` says at which test which place's board dies, `fails` which tests fail."""

    def __init__(self, dies=(), fails=()):
        self.dies, self.fails, self.dead = dict(dies), fails, set()

    def run(self, place, words, folder, deadline_s):
        if words == ["farm", "check"]:
            gone = place.name in self.dead
            return {"broken": "port" if gone else "", "reason": "it is gone" if gone else "", "reached": []}
        assert words[:4] == ["hil", "--suite", "hil", "--exitfirst"]
        tests = []
        for name in words[4:]:
            if self.dies.get(place.name) == name:
                self.dead.add(place.name)
            outcome = "invalid" if place.name in self.dead else "failed" if name in self.fails else "passed"
            tests.append({"name": name, "outcome": outcome, "seconds": 0.1, "reason": "", "meter_samples": "100"})
            if outcome != "passed":
                break
        return {"tests": tests}


def distribution(places, hosts):
    farm = FakeFarm(places)
    return distribute.Distribution(farm, Path("hil"), deque(TESTS), hosts=hosts), farm


TESTS = [f"hil/test_x.py::test_{i}" for i in range(23)]


def test_every_test_runs_once():
    work, farm = distribution(["a", "b", "c"], FakeHosts())
    found = work.run(3)
    assert sorted(test["name"] for test in found["tests"]) == sorted(TESTS)
    assert found["passed"] == 23 and found["samples"] == 2300 and found["lost_samples"] == 0
    assert sorted(farm.released) == ["a", "b", "c"] and sorted(farm.cancelled) == [0, 1, 2]


def test_a_reservation_that_the_farm_forgot_is_made_again(monkeypatch):
    made, farm = distribution(["one"], FakeHosts())[0], FakeFarm(["one"])
    forgotten, reserved = [], []

    def wait(token, deadline_s):
        if not forgotten:
            forgotten.append(token)
            raise client._ForgottenError("wait: Reservation ABC does not exist")
        return True

    monkeypatch.setattr(farm, "wait", wait)
    monkeypatch.setattr(farm, "reserve", lambda **tags: reserved.append(tags) or len(reserved))
    made.farm = farm
    assert made.run(1)["passed"] == len(TESTS)
    assert len(reserved) == 2 and farm.released == ["one"] and farm.cancelled == [2]


def test_what_the_farm_forgot_needs_no_cancelling(tmp_path, monkeypatch):
    answers = {"cancel-reservation": "Server error: Error: Reservation ABC does not exist", "places": "Server error: Error: no"}
    script = tmp_path / "labgrid-client"
    script.write_text("#!/bin/sh\n" + "".join(f'[ "$1" != {k} ] || echo "{v}" >&2\n' for k, v in answers.items()) + "exit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(client, "program", lambda role: str(script))
    Farm("127.0.0.1:1").cancel("ABC")
    with pytest.raises(BoardError, match="Error: no"):
        Farm("127.0.0.1:1").places()


def test_a_worker_without_a_place_does_not_outlast_the_tests():
    work, farm = distribution(["a"], FakeHosts())
    assert work.run(2)["passed"] == 23
    assert farm.released == ["a"] and sorted(farm.cancelled) == [0, 1]


def test_a_board_that_dies_costs_one_test_and_the_rest_go_on():
    # at the last test the others have run out of work, and must still be there for what it gives back
    for dying in (TESTS[0], TESTS[20]):
        work, farm = distribution(["a", "b"], FakeHosts({"a": dying, "b": None}))
        found = work.run(2)
        assert sorted(test["name"] for test in found["tests"]) == sorted(TESTS)
        died = [test for test in found["tests"] if test["outcome"] == "invalid"]
        assert len(died) <= 1 and all(test["name"] == dying for test in died)
        assert set(found["broken_places"]) == {test["place"] for test in died}
        assert sorted(farm.released) == ["a", "b"]


def test_a_test_that_fails_breaks_no_place():
    work, _ = distribution(["a"], FakeHosts(fails=TESTS[5:7]))
    found = work.run(1)
    assert found["failed"] == 2 and found["passed"] == 21 and found["broken_places"] == {}


def test_when_every_place_breaks_it_says_so():
    work, _ = distribution(["a"], FakeHosts({"a": TESTS[5]}))
    with pytest.raises(BoardError, match="a: port: it is gone"):
        work.run(1)


class HangingHosts:
    """Benches whose tests never end by themselves."""

    def __init__(self):
        self.ended = threading.Event()

    def run(self, place, words, folder, deadline_s):
        self.ended.wait(60)
        raise BoardError("was ended")

    def end(self):
        self.ended.set()


def test_an_interrupt_ends_what_runs_and_frees_the_places():
    work, farm = distribution(["a", "b"], HangingHosts())
    # a process in the background may ignore the signal; sent to this very thread, it ends what the thread waits for
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        work.run(2)
    assert sorted(farm.released) == ["a", "b"] and sorted(farm.cancelled) == [0, 1] and work.results == []


@pytest.fixture
def other_host(tmp_path, monkeypatch):
    """A place on another host, reached by an `ssh` that runs the command here, and a checkout there."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(
        '#!/bin/sh\n[ "$1 $2 $3" = "-o BatchMode=yes pi1" ] || exit 9\nexec sh -c "$4"\n')
    (tmp_path / "bin" / "ssh").chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Place("a", "pi1", PARAMETERS), tmp_path


def test_a_command_runs_beside_its_bench_by_ssh(other_host):
    place, checkout = other_host
    found = host.Hosts().run(place, ["farm", "check"], checkout, 60)
    assert found["broken"] == "port" and "/dev/none" in found["reason"]


def test_a_command_that_fails_or_hangs_is_told(other_host):
    place, checkout = other_host
    with pytest.raises(BoardError, match=r"a: model: no such folder"):
        host.Hosts().run(place, ["hil", "--suite", "model"], checkout, 60)
    with pytest.raises(BoardError, match=r"tercet solve on pi1 failed"):
        host.Hosts().run(place, ["solve", "--no-such-option"], checkout, 60)
    with pytest.raises(BoardError, match=r"did not end within 0.01 s"):
        host.Hosts().run(place, ["farm", "check"], checkout, 0.01)


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


BENCH = '[bench]\nname = "desk"\ntarget = "nrf52840dk"\nserial = "/dev/ttyACM7"\n'


def test_records_are_of_real_benches_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="real benches"):
        suites.identity(suites.Selection(tmp_path))
    (tmp_path / "desk.toml").write_text(BENCH)
    chosen = suites.Selection(tmp_path, bench=tmp_path / "desk.toml")
    # a bench file that points at a virtual board's terminal makes no history
    with pytest.raises(InputError, match="no USB device stands behind /dev/ttyACM7"):
        suites.identity(chosen)
    assert suites.last_record(tmp_path / "records") == "never"
    attached = SimpleNamespace(device="/dev/ttyACM7", vid=0x1366, pid=0x1051, serial_number="683456789")
    monkeypatch.setattr(list_ports, "comports", lambda: [attached])
    monkeypatch.setattr(suites, "run", lambda selection, quiet: suites.parse(JUNIT))
    path = suites.recorded(chosen)["record"]
    kept = json.loads(Path(path).read_text())
    assert kept["bench"]["usb"] == "1366:1051 683456789" and kept["bench"]["target"] == "nrf52840dk" and kept["passed"] == 1
    assert suites.last_record(tmp_path / "records") == kept["when"] and kept["when"].startswith("20")


def test_the_readme_says_when_the_suite_last_ran_on_hardware():
    root = Path(__file__).parents[3]
    assert f"Last run on hardware: {suites.last_record(root / 'hil' / 'records')}" in (root / "README.md").read_text()
