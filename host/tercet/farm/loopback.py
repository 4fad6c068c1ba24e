# SPDX-License-Identifier: Apache-2.0
"""A whole farm on this machine for trying it out: coordinator, exporter, virtual boards with meters."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.board import virtual
from tercet.errors import InputError, SetupError
from tercet.farm.client import RESOURCE, TAGS, Farm, program

_START_S = 30.0


def folder() -> Path:
    """Where the farm's files are."""
    return virtual.state_folder().parent / "farm"


def start(count: int, *, pace: str = "max") -> dict[str, Any]:
    """Starts a farm of `count` boards and returns `{"coordinator","places","boards"}`.

    Raises InputError when one is running.
    """
    place = folder()
    if (place / "processes.json").exists():
        raise InputError("a loopback farm is running already", hint="tercet farm stop")
    programs = [program(role) for role in ("coordinator", "exporter")]
    place.mkdir(parents=True, exist_ok=True)
    boards: list[virtual.RunningBoard] = []
    try:
        for i in range(count):
            name = f"farm{i}"
            boards.append(virtual.start(name, pace=pace, sd=place / f"{name}.img", state=place / name))
        coordinator = _coordinator(programs[0], place)
        _exporter(programs[1], place, coordinator, boards)
        farm = Farm(coordinator)
        _until(lambda: len(farm.benches()) >= count)
        for board in boards:
            farm.create(board.name, board.name, TAGS)
        (place / "address").write_text(coordinator)
    except BaseException:
        stop()
        raise
    return {"coordinator": coordinator, "places": farm.places(), "boards": [board.to_json() for board in boards]}


def _coordinator(command: str, place: Path) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    _spawn([command, "-l", address], place, "coordinator")

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    _until(listens)
    return address


def _exporter(command: str, place: Path, coordinator: str, boards: list[virtual.RunningBoard]) -> None:
    """Offers each board with what its bench file would say. JSON is YAML."""
    groups = {
        board.name: {
            RESOURCE: {
                "host": "localhost", "target_name": "nrf52840dk", "serial": board.serial,
                "probe": f"remote:{board.probe}", "meter": board.meter,
                "volts": 3.0, "rail": "board and card", "card_on_rail": True,
            }
        }
        for board in boards
    }  # fmt: skip
    (place / "exporter.yaml").write_text(json.dumps(groups, indent=1))
    words = [command, "-c", coordinator, "-n", "loopback", "--hostname", "localhost", str(place / "exporter.yaml")]
    _spawn(words, place, "exporter")


def _spawn(words: list[str], place: Path, name: str) -> None:
    """A process that stays, entered in the farm's list; its own state lies in a folder of its own."""
    home = place / name
    home.mkdir(exist_ok=True)
    with open(home / "log.txt", "wb") as log:
        process = subprocess.Popen(
            words, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    virtual.adopt(process)
    known = _processes()
    artifacts.write_bytes(place / "processes.json", json.dumps({**known, name: process.pid}).encode())


def _processes() -> dict[str, int]:
    path = folder() / "processes.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _until(ready: Any) -> None:
    end = time.monotonic() + _START_S
    while not ready():
        if time.monotonic() > end:
            raise SetupError(f"the farm did not get ready within {_START_S:g} s", hint=f"logs are under {folder()}")
        time.sleep(0.2)


def stop() -> list[str]:
    """Ends the farm's processes and boards, and forgets its places; returns what was ended."""
    ended = []
    for name, pid in reversed(_processes().items()):
        if _is_ours(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            _gone(pid)
            ended.append(name)
    for board in virtual.boards():
        if board.state and Path(board.state).parent == folder():
            ended += virtual.stop(board.name)
    shutil.rmtree(folder(), ignore_errors=True)
    return ended


def _is_ours(pid: int) -> bool:
    """Whether the process is still labgrid's: ids are used again."""
    words = Path(f"/proc/{pid}/cmdline")
    return not words.parent.exists() or b"labgrid" in words.read_bytes() if Path("/proc").exists() else True


def _gone(pid: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not virtual.lives(pid):
            return
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
