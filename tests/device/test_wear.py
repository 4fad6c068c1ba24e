# SPDX-License-Identifier: Apache-2.0
"""Pages of each run begin elsewhere on the card, and never where checkpoints or files are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import board_process
import pytest
from fat_image import OPEN_IMAGE
from small_job import TARGET, job
from tercet.board.base import Board
from tercet.train import session
from tercet.train.job import DATA_BLOCK, Settings
from test_page_file_run import TRAIN
from unix_port import last, prepare_job, run, run_job

FIRST, RUNS, STEPS = 2048, 8, 24
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
AREA = """
import struct
from tercet_device import page_area, trace
from tercet_device.errors import DeviceError
class Card:
    def readblocks(self, block, buffer):
        for i in range(512):
            buffer[i] = 0
        if block - {first} in files:
            buffer[:8] = struct.pack("<4sI", b"TDSC", files[block - {first}])
class Plan:
    def persistents(self):
        return [(0, 0, {weights})]
files = {files!r}
job = {{"result": {result!r}, "checkpoint": {{"every": 1}} if {weights} else None}}
try:
    first, blocks, places = page_area.choose(Card(), ({first}, {count}), {blocks}, job, Plan(), 68)
    trace.emit("area", first=first - {first}, last=first - {first} + (places - 1) * 128, blocks=blocks)
except DeviceError as error:
    trace.emit("area", kind=error.kind)
"""


def area(
    folder: Path, count: int, blocks: int, weights: int = 0, files: dict[int, int] | None = None, result: object = None
) -> tuple[int, int] | str:
    """The first and the last place where pages may begin, from the region's beginning; or what is wrong."""
    code = AREA.format(first=FIRST, count=count, blocks=blocks, weights=weights, files=files or {}, result=result)
    told = last(run(code, folder), "area")
    return told.get("kind") or (told["first"], told["last"])


def test_pages_lie_behind_the_files(tmp_path: Path) -> None:
    # a data set and weights, and behind them the trained weights that the board will write
    weights_at = DATA_BLOCK + 1 + 8000
    files = {DATA_BLOCK: 8000 * 512, weights_at: 1000 * 512}
    result_at = weights_at + 1001
    first, end = area(tmp_path, 129_024, 300, 300_000, files, [1000 * 512, None, result_at])
    assert result_at + 1001 <= first < result_at + 1001 + 128
    assert 129_024 - 128 < end + 300 <= 129_024
    assert (FIRST + first) % 128 == 0


def test_pages_lie_before_the_checkpoints_where_files_take_the_rest(tmp_path: Path) -> None:
    slots = 2 * (-(-(100_000 + 68) // 512) + 1)
    first, end = area(tmp_path, 32_768, 300, 100_000, {DATA_BLOCK: 16_000 * 512})
    assert first == 0
    assert DATA_BLOCK - slots - 128 < end + 300 <= DATA_BLOCK - slots


def test_pages_have_one_place_where_there_is_no_other(tmp_path: Path) -> None:
    assert area(tmp_path, 300, 300) == (0, 0)
    assert area(tmp_path, 20_000, 20_000) == (0, 0)
    assert area(tmp_path, 20_000, 20_000, 100_000) == "card_full"
    assert area(tmp_path, 20_000, 17_000, files={DATA_BLOCK: 512}) == "card_full"


@pytest.mark.board
def test_the_wear_of_several_runs_is_spread(tmp_path: Path) -> None:
    """Fewer than seven of eight runs in one region of 4 MB: by chance it is missed once in a million."""
    order = job("frugal", {"name": "sgd", "rate": 0.2}, steps=STEPS)[2]
    started = board_process.start(tmp_path, "--image", IMAGE, "--pace", "max", "--sd", tmp_path / "card.img")
    places = []
    try:
        with Board(started.serial) as board:
            session.deploy(board, order, TARGET)
            for _ in range(RUNS):
                places.append(session.run(board, order).last("pages"))
    finally:
        started.stop()
    told = json.loads((tmp_path / "sd-wear.json").read_text())["blocks_written"]
    wear = Counter({int(region): count for region, count in told.items()})
    wear[0] -= 1  # the partition table
    assert wear.total() == RUNS * STEPS
    expected = Counter(place["first_block"] // 8192 for place in places)
    assert all(wear[region] == count * STEPS for region, count in expected.items())
    assert max(wear.values()) < 7 * STEPS


def test_pages_of_the_portable_pager_move_too(tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    with image.open("wb") as stream:
        stream.truncate(64 << 20)
    order = job("frugal", {"name": "sgd", "rate": 0.2}, settings=Settings(1024 + 40, report_every=500))[2]
    path = prepare_job(order, tmp_path, store={"kind": "card"})
    told = run(OPEN_IMAGE + TRAIN.format(path=str(image), job=str(path), resume=False, pause=None), tmp_path)
    assert sum(event["event"] == "pages" for event in told) == 2
    (tmp_path / "plain").mkdir()
    assert last(told, "done")["digest"] == last(run_job(order, tmp_path / "plain"), "done")["digest"]


@pytest.mark.board
def test_pages_move_within_a_long_run_and_nothing_else_changes(tmp_path: Path) -> None:
    """Sealed pages beside computation, moved once: the weights are those of a run whose pages lie in a file."""
    steps = 1024 + 40
    order = job("frugal", {"name": "sgd", "rate": 0.2}, settings=Settings(steps, report_every=500), overlap=True)[2]
    started = board_process.start(tmp_path / "state", "--image", IMAGE, "--pace", "max", "--sd", tmp_path / "card.img")
    try:
        with Board(started.serial) as board:
            session.deploy(board, order, TARGET)
            told = session.run(board, order)
    finally:
        started.stop()
    places = [event["first_block"] for event in told.all("pages")]
    assert len(places) == 2
    wear = json.loads((tmp_path / "state" / "sd-wear.json").read_text())["blocks_written"]
    expected = Counter({0: 1})
    for place, count in zip(places, (1024, 40), strict=True):
        expected[place // 8192] += count
    assert {int(region): count for region, count in wear.items()} == expected
    assert told.last("done")["digest"] == last(run_job(order, tmp_path), "done")["digest"]
