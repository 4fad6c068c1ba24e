# SPDX-License-Identifier: Apache-2.0
"""Pages of each run begin elsewhere on the card, and never where checkpoints or files are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import board_process
import pytest
from small_job import TARGET, job
from tercet.board.base import Board
from tercet.train import session
from tercet.train.job import DATA_BLOCK
from unix_port import last, run

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
seen, chance = [], page_area._chance
for drawn in (lambda count: 0, lambda count: count - 1, chance, chance, chance):
    page_area._chance = drawn
    try:
        seen.append(page_area.choose(Card(), ({first}, {count}), {blocks}, job, Plan(), 68))
    except DeviceError as error:
        seen.append(error.kind)
trace.emit("areas", seen=seen)
"""


def areas(folder: Path, count: int, blocks: int, weights: int = 0, files: dict[int, int] | None = None, result: object = None):
    """Where pages may lie, from the first place that chance can choose to the last: blocks from the region's beginning."""
    code = AREA.format(first=FIRST, count=count, blocks=blocks, weights=weights, files=files or {}, result=result)
    seen = last(run(code, folder), "areas")["seen"]
    return [entry if isinstance(entry, str) else entry[0] - FIRST for entry in seen]


def test_pages_lie_behind_the_files(tmp_path: Path) -> None:
    # a data set and weights, and behind them the trained weights that the board will write
    weights_at = DATA_BLOCK + 1 + 8000
    files = {DATA_BLOCK: 8000 * 512, weights_at: 1000 * 512}
    result_at = weights_at + 1001
    found = areas(tmp_path, 129_024, 300, 300_000, files, [1000 * 512, None, result_at])
    assert result_at + 1001 <= min(found) < result_at + 1001 + 128
    assert 129_024 - 128 < max(found) + 300 <= 129_024
    assert all((FIRST + place) % 128 == 0 for place in found)


def test_pages_lie_before_the_checkpoints_where_files_take_the_rest(tmp_path: Path) -> None:
    slots = 2 * (-(-(100_000 + 68) // 512) + 1)
    found = areas(tmp_path, 32_768, 300, 100_000, {DATA_BLOCK: 16_000 * 512})
    assert min(found) == 0 and DATA_BLOCK - slots - 128 < max(found) + 300 <= DATA_BLOCK - slots


def test_pages_have_one_place_where_there_is_no_other(tmp_path: Path) -> None:
    assert set(areas(tmp_path, 300, 300)) == {0}
    assert set(areas(tmp_path, 20_000, 20_000)) == {0}
    assert set(areas(tmp_path, 20_000, 20_000, 100_000)) == {"card_full"}
    assert set(areas(tmp_path, 20_000, 17_000, files={DATA_BLOCK: 512})) == {"card_full"}


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
