# SPDX-License-Identifier: Apache-2.0
"""A farm on this machine: unmodified labgrid serves its places, in order; a board that dies costs one test."""

import os
import signal
import threading
from collections import deque
from pathlib import Path

import pytest
from tercet.board import virtual
from tercet.board.flash import tool
from tercet.errors import BoardError
from tercet.farm import distribute, loopback
from tercet.farm.client import Farm

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not tool.find("labgrid-client"), reason="pip install 'tercet[farm]'")]
SUITE = Path(__file__).parent


@pytest.fixture
def farm(tmp_path, monkeypatch, request):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    started = loopback.start(request.param)
    yield Farm(started["coordinator"])
    loopback.stop()
    assert virtual.boards() == []


@pytest.mark.parametrize("farm", [1], indirect=True)
def test_two_clients_are_served_in_order_and_a_lock_holds(farm):
    first, second = farm.reserve(**loopback.TAGS), farm.reserve(**loopback.TAGS)
    place = farm.acquire(first)
    assert place.parameters["serial"].startswith("/dev/")
    with pytest.raises(BoardError):
        farm.acquire(second)
    served = []
    waiter = threading.Thread(target=lambda: (farm.wait(second, 60), served.append("second")))
    waiter.start()
    assert not served
    farm.release(place.name, first)
    waiter.join(60)
    assert served == ["second"] and farm.acquire(second).name == place.name
    farm.release(place.name, second)


@pytest.mark.parametrize("farm", [2], indirect=True)
def test_a_board_that_dies_costs_one_test_and_the_rest_go_on(farm):
    names = distribute.collect(SUITE, "test_smoke")
    work = distribute.Distribution(farm, SUITE, deque(names))
    victim = virtual.find("farm0")
    work.say = lambda text: os.kill(victim.pid, signal.SIGKILL) if text.startswith("farm0") and victim and alive(victim) else None
    found = work.run(2)
    assert len(found["tests"]) == len(names)
    assert found["invalid"] <= 1 and found["passed"] >= len(names) - 1
    assert {test["place"] for test in found["tests"]} >= {"farm1"}


def alive(board):
    return virtual.lives(board.pid)
