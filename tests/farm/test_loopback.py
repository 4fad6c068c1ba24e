# SPDX-License-Identifier: Apache-2.0
"""The loopback farm: places are served in order, tests are shared, a board that dies costs one test."""

import threading
from collections import deque
from pathlib import Path

import pytest
from tercet.board import virtual
from tercet.errors import BoardError
from tercet.farm import distribute, everywhere
from tercet.farm.client import TAGS

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "hil"
ENERGY = '''
import os, signal
from pathlib import Path
import pytest

VICTIM = Path({victim!r})


@pytest.mark.parametrize("turns", range(40, 40 + {count}))
@pytest.mark.energy(max_uj=500)
def test_turns(lab, bench, board, meter, turns):
    if bench.name == "farm0" and VICTIM.exists():
        lab.meter().start()
        program = board.run("print('@tercet {{\\"event\\": \\"up\\"}}')\\nwhile True: pass")
        next(program)
        os.kill(int(VICTIM.read_text()), signal.SIGKILL)
        VICTIM.unlink()
        next(program)
    meter.run(f"for _ in range({{turns}}): pass", regions=10)
'''


def metered_suite(folder, count):
    """A suite of `count` energy tests. One that finds the file `victim` on farm0 ends the process that it names, mid-program."""
    (folder / "suite").mkdir()
    (folder / "suite" / "test_turns.py").write_text(ENERGY.format(count=count, victim=str(folder / "victim")))
    return folder / "suite"


def test_two_clients_are_served_in_order_and_a_lock_holds(start_farm):
    farm = start_farm(1)
    first, second = farm.reserve(**TAGS), farm.reserve(**TAGS)
    place = farm.acquire(first)
    assert place.parameters["serial"].startswith("/dev/")
    assert not farm.wait(second, 2.0)
    with pytest.raises(BoardError):
        farm.acquire(second)
    served = []
    waiter = threading.Thread(target=lambda: served.append(farm.wait(second, 150)))
    waiter.start()
    farm.release(place.name)
    farm.cancel(first)
    waiter.join(160)
    assert served == [True] and farm.acquire(second).name == place.name
    assert everywhere.run(farm, ["farm", "check"], ROOT) == {"results": {}, "failed": {}, "busy": [place.name]}
    farm.release(place.name)
    found = everywhere.run(farm, ["farm", "check"], ROOT)
    assert found["results"] == {place.name: {"reached": ["port", "prompt", "firmware", "meter"], "broken": "", "reason": ""}}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_tests_are_shared_and_a_board_that_dies_costs_one(start_farm, size, tmp_path):
    boards, count = size
    farm = start_farm(boards)
    suite = metered_suite(tmp_path, count)
    tests = distribute.collect(suite, None)
    found = distribute.Distribution(farm, suite, deque(tests)).run(boards)
    assert found["passed"] == count and sorted(test["name"] for test in found["tests"]) == sorted(tests)
    assert {test["place"] for test in found["tests"]} == set(farm.places())
    assert found["lost_samples"] == 0 and found["samples"] > count * 10_000

    victim = virtual.find("farm0")
    (tmp_path / "victim").write_text(str(victim.pid))
    again = distribute.Distribution(farm, suite, deque(tests)).run(boards)
    assert sorted(test["name"] for test in again["tests"]) == sorted(tests) and not virtual.lives(victim.pid)
    assert [test["place"] for test in again["tests"] if test["outcome"] == "invalid"] == ["farm0"]
    assert again["passed"] == count - 1 and again["lost_samples"] == 0
    assert set(again["broken_places"]) == {"farm0"} and again["broken_places"]["farm0"].startswith("port: ")
    for name, run in (("all boards live", found), ("one board dies", again)):
        print(name, {key: run[key] for key in ("passed", "failed", "invalid", "samples", "lost_samples", "broken_places")})
