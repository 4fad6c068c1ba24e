# SPDX-License-Identifier: Apache-2.0
"""The virtual board loses its power amid training with pages and goes on: by `--resume`'s call, or by itself at its start."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import board_process
import pytest
from small_job import TARGET, job
from tercet.board.base import Board
from tercet.board.link import Link
from tercet.errors import BoardError, InputError
from tercet.train import boot, session
from tercet.train.job import Job, Settings
from unix_port import last

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
MOMENTUM = {"name": "momentum", "rate": 0.1}
SETTINGS = Settings(60, report_every=20, checkpoint_every=5, validate_every=20)
WORK = job("frugal", MOMENTUM, settings=SETTINGS)[2]


@contextmanager
def board(state: Path, faults: tuple[dict[str, Any], ...] = ()) -> Iterator[board_process.VirtualBoard]:
    words: list[str | Path] = ["--pace", "max", "--sd", state / "card.img"]
    if faults:
        (state / "faults.jsonl").write_text("".join(json.dumps(fault) + "\n" for fault in faults))
        words += ["--faults", state / "faults.jsonl"]
    running = board_process.start(state, *words, name="power-cuts")
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The state of a board with the job's files on it, and the digest of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("clean")
    running = board_process.start(folder, "--image", IMAGE, "--pace", "max", "--sd", folder / "card.img", name="clean")
    try:
        with Board(running.serial) as at:
            session.deploy(at, WORK, TARGET)
            digest = session.run(at, WORK).last("done")["digest"]
    finally:
        running.stop()
    return folder, digest


@pytest.fixture
def state(deployed: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the board as it was deployed, its card empty."""
    for name in ("flash.bin", "uicr.bin"):
        shutil.copy(deployed[0] / name, tmp_path / name)
    return tmp_path


def test_resume_after_a_loss_of_power(state: Path, deployed: tuple[Path, str]) -> None:
    # deep within the checkpoints that the steps write
    with board(state, ({"fault": "power_cut", "after": {"sd_blocks_written": 77}},)) as running, Board(running.serial) as at:
        told: list[dict[str, Any]] = []
        with pytest.raises(BoardError, match="started anew"):
            session.run(at, WORK, on_event=told.append)
        checkpoints = [event["step"] for event in told if event["event"] == "checkpoint"]
        result = session.run(at, WORK, resume=True)
    assert last(result.events, "resumed")["step"] >= checkpoints[-1] > 0
    assert result.last("done")["digest"] == deployed[1]


def at_boot(state: Path) -> Job:
    """Brings the job onto the board of `state` in the form that the board starts by itself."""
    order = job("frugal", MOMENTUM, settings=Settings(**{**vars(SETTINGS), "at_boot": True}))[2]
    with board(state) as running, Board(running.serial) as at:
        session.deploy(at, order, TARGET)
        boot.place(at, order)
    return order


def test_the_board_goes_on_by_itself_and_stops_doing_so_when_done(state: Path, deployed: tuple[Path, str]) -> None:
    at_boot(state)
    moments = ({"at_ms": 30}, *({"after": {"sd_blocks_written": count}} for count in (50, 52, 77)))
    cuts = tuple({"fault": "power_cut", "for_ms": 3, **moment} for moment in moments)
    with board(state, cuts) as running:
        events = follow(running.serial)
        assert last(events, "done")["digest"] == deployed[1]
        assert len([event for event in events if event["event"] == "resumed"]) >= 2
    with board(state) as running, Board(running.serial) as at:
        assert "main.py" not in at.eval("__import__('os').listdir('/')")


def follow(serial: str) -> list[dict[str, Any]]:
    """What a board tells by itself until it is done."""

    link, events = Link(serial), []
    try:
        while not events or events[-1]["event"] != "done":
            line = link.read_until(b"\n", 60.0)
            assert line, f"silence after {events[-3:]}"
            # a cut may end a line in its middle; what the next start says goes on behind it
            with contextlib.suppress(ValueError):
                events.append(json.loads(line.rpartition(b"@tercet ")[2]))
    finally:
        link.close()
    return events


def test_a_main_of_the_users_own_is_left_alone(state: Path) -> None:
    with board(state) as running, Board(running.serial) as at:
        at.exec("with open('/main.py', 'w') as stream:\n stream.write('print(1)')")
        with pytest.raises(InputError, match=r"main.py of its own"):
            boot.place(at, WORK)
        boot.remove(at)
        assert at.exec("print(open('/main.py').read())").strip() == "print(1)"


def test_a_card_pulled_amid_a_step_and_put_back(state: Path, deployed: tuple[Path, str]) -> None:
    pulled = {"fault": "sd_removed", "after": {"sd_blocks_written": 60}, "for_ms": 400}
    with board(state, (pulled,)) as running, Board(running.serial) as at:
        with pytest.raises(BoardError, match=r"stopped answering|no card answers|did not get ready") as error:
            session.run(at, WORK)
        assert error.value.hint
        result = session.run(at, WORK, resume=True)
    assert last(result.events, "resumed")["step"] > 0
    assert result.last("done")["digest"] == deployed[1]


def test_another_card_amid_a_step(state: Path, deployed: tuple[Path, str]) -> None:
    """A swapped card is refused by what stands on it; with the right one back the run goes on."""
    (state / "other.img").write_bytes(bytes(64 << 20))
    swapped = {"fault": "sd_swapped", "after": {"sd_blocks_written": 60}, "image": str(state / "other.img")}
    with (
        board(state, (swapped,)) as running, Board(running.serial) as at,
        pytest.raises(BoardError, match=r"stopped answering|refused|checksum|did not get ready"),
    ):  # fmt: skip
        session.run(at, WORK)
    with board(state) as running, Board(running.serial) as at:
        result = session.run(at, WORK, resume=True)
    assert last(result.events, "resumed")["step"] > 0
    assert result.last("done")["digest"] == deployed[1]
