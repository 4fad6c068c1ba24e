# SPDX-License-Identifier: Apache-2.0
"""A farm on this machine, served by unmodified labgrid."""

import pytest
from tercet.board import virtual
from tercet.errors import SetupError
from tercet.farm import client, loopback


@pytest.fixture
def size(request):
    """(boards, tests) of the farms that tests are shared over."""
    return (3, 60) if request.config.getoption("--whole") else (2, 8)


@pytest.fixture
def start_farm(tmp_path, monkeypatch):
    """A function that starts a loopback farm of so many boards."""
    try:
        client.program("client")
    except SetupError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield lambda count: client.Farm(loopback.start(count)["coordinator"])
    loopback.stop()
    assert virtual.boards() == []
