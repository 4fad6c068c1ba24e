# SPDX-License-Identifier: Apache-2.0
"""Checkpoints on the unix port: continued anywhere, a run ends with the same bits; a torn or damaged slot costs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_job import job
from tercet.train.job import Job, Settings
from unix_port import last, prepare_job, run

STEPS = 13
SETTINGS = Settings(STEPS, report_every=4, baseline_ms=1, validate_every=4, checkpoint_every=2, checkpoint_file="checkpoint")
ADAM = {"name": "adam", "rate": 0.01, "schedule": {"name": "cosine"}}
START = "from tercet_device import loop\n"


@pytest.fixture
def work(tmp_path: Path) -> tuple[Path, Job]:
    """A job that pages and keeps checkpoints, its files in a folder."""
    order = job("frugal", ADAM, settings=SETTINGS)[2]
    return prepare_job(order, tmp_path), order


def events_of(folder: Path, code: str) -> list[dict[str, Any]]:
    return run(START + code, folder, operators="all")


def go(path: Path, **words: Any) -> str:
    given = "".join(f", {name}={value}" for name, value in words.items())
    return f"loop.main({str(path)!r}{given})\n"


def curve(events: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[float, ...]]:
    """Everything told about losses and weights by step, without times."""
    told = {}
    for event in events:
        if event["event"] in ("step", "validated", "checkpoint"):
            told[event["event"], event["step"]] = tuple(event[key] for key in ("loss", "accuracy", "crc") if key in event)
    return told


def test_a_pause_anywhere_changes_no_bit(work: tuple[Path, Job], tmp_path: Path) -> None:
    path, _ = work
    whole = events_of(tmp_path, go(path))
    for stop in range(1, STEPS):
        pieces = events_of(tmp_path, go(path, pause=f"lambda step: step == {stop}") + go(path, resume=True))
        assert last(pieces, "resumed")["step"] == stop
        assert last(pieces, "done")["digest"] == last(whole, "done")["digest"]
        extra = {("checkpoint", stop)} if stop % 2 else set()
        both = curve(pieces)
        assert {key: both[key] for key in both if key not in extra} == curve(whole)
        assert last(pieces, "done")["steps_run"] == STEPS - stop


def test_a_loss_of_power_at_any_write_is_survived(work: tuple[Path, Job], tmp_path: Path) -> None:
    path, _ = work
    expected = last(events_of(tmp_path, go(path)), "done")["digest"]
    code = """
from tercet_device import checkpoint
class Cut(BaseException):
    pass
write, left = checkpoint.FileSlots.write, [{after}]
def cut(self, block, data):
    left[0] -= 1
    if left[0] < 0:
        write(self, block, data[: {torn}])
        raise Cut
    write(self, block, data)
checkpoint.FileSlots.write = cut
try:
    loop.main({path!r})
except Cut:
    pass
checkpoint.FileSlots.write = write
loop.main({path!r}, resume=True)
"""
    reached = set()
    for after in range(2, 16):
        events = events_of(tmp_path, code.format(after=after, torn=100 * after % 512, path=str(path)))
        assert last(events, "done")["digest"] == expected
        at = next((i for i, event in enumerate(events) if event["event"] == "resumed"), None)
        told = [event["step"] for event in events[:at] if event["event"] == "checkpoint"]
        resumed = 0 if at is None else events[at]["step"]
        assert resumed == (0 if at is None else max(told))
        reached.add(resumed)
    assert {0, 2, 4, 6} <= reached


@pytest.mark.parametrize("place", [0, 40, 600, -500, -480])
def test_a_damaged_slot_is_told_and_the_other_one_taken(place: int, work: tuple[Path, Job], tmp_path: Path) -> None:
    path, order = work
    whole = last(events_of(tmp_path, go(path)), "done")["digest"]
    events_of(tmp_path, go(path, pause="lambda step: step == 6"))
    newest = max((tmp_path / f"checkpoint.{i}" for i in range(2)), key=lambda file: sequence(file, order))
    damage(newest, place)
    events = events_of(tmp_path, go(path, resume=True))
    assert last(events, "resumed")["step"] == 4
    assert last(events, "done")["digest"] == whole
    if place >= 0:
        assert last(events, "checkpoint_damaged")["sequence"] == 3


def test_two_damaged_slots_start_anew(work: tuple[Path, Job], tmp_path: Path) -> None:
    path, _ = work
    whole = last(events_of(tmp_path, go(path)), "done")["digest"]
    for slot in range(2):
        damage(tmp_path / f"checkpoint.{slot}", 77)
    events = events_of(tmp_path, go(path, resume=True))
    assert not [event for event in events if event["event"] == "resumed"]
    assert last(events, "done")["digest"] == whole


def test_another_job_never_continues_from_these(work: tuple[Path, Job], tmp_path: Path) -> None:
    path, _ = work
    events_of(tmp_path, go(path, pause="lambda step: step == 6"))
    settings = json.loads(path.read_text())
    settings["checkpoint"]["job"] = "00" * 4
    path.write_text(json.dumps(settings))
    events = events_of(tmp_path, go(path, resume=True))
    assert not [event for event in events if event["event"] in ("resumed", "checkpoint_damaged")]


def test_a_fresh_start_forgets(work: tuple[Path, Job], tmp_path: Path) -> None:
    path, _ = work
    events_of(tmp_path, go(path, pause="lambda step: step == 6"))
    events = events_of(tmp_path, go(path, pause="lambda step: step == 1") + go(path, resume=True))
    assert last(events, "resumed")["step"] == 1


def test_the_same_job_continues_by_another_schedule(work: tuple[Path, Job], tmp_path: Path) -> None:
    path, _ = work
    whole = last(events_of(tmp_path, go(path)), "done")["digest"]
    events_of(tmp_path, go(path, pause="lambda step: step == 5"))
    prepare_job(job("keep_all", ADAM, settings=SETTINGS)[2], tmp_path)
    events = events_of(tmp_path, go(path, resume=True))
    assert last(events, "resumed")["step"] == 5
    assert last(events, "done")["digest"] == whole


def test_a_curve_that_stays_flat_ends_the_run_with_its_best_weights(tmp_path: Path) -> None:
    settings = Settings(60, baseline_ms=1, validate_every=2, patience=3)
    path = prepare_job(job("keep_all", {"name": "sgd", "rate": 0.5}, settings=settings)[2], tmp_path)
    events = events_of(tmp_path, go(path))
    losses = {event["step"]: event["loss"] for event in events if event["event"] == "validated"}
    done = last(events, "done")
    best = min(losses, key=lambda step: losses[step])
    assert done["best_step"] == best
    assert done["steps"] == best + 6 == max(losses) < 60
    trained = (tmp_path / "trained.bin").read_bytes()
    path.write_text(json.dumps({**json.loads(path.read_text()), "steps": best, "validate_every": 0}))
    events_of(tmp_path, go(path))
    assert (tmp_path / "trained.bin").read_bytes() == trained


def sequence(file: Path, order: Job) -> int:
    """The number of the checkpoint in a file."""
    trailer = file.read_bytes()[-512:]
    assert trailer[8:12].hex() == order.settings["checkpoint"]["job"]
    return int.from_bytes(trailer[16:20], "little")


def damage(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 8
    file.write_bytes(data)
