# SPDX-License-Identifier: Apache-2.0
"""The SD card on its bus: blocks come back, in every size that pages have, and its limits are respected."""

import pytest
from tercet import targets
from tercet.board import sync
from tercet.train.session import library_files

OPEN = """
import sys
if '/lib' not in sys.path: sys.path.append('/lib')
from tercet_device.places import open_card
from tercet_device.errors import DeviceError
card = open_card({settings!r})
at = min(card.ioctl(4, 0) - 64, 40000)
"""


@pytest.fixture
def card(board, bench):
    target = targets.load(bench.target)
    if not target.card:
        pytest.skip("the target file names no card: add a [card] section with its pins")
    sync.sync(board, dict(library_files(target, "mlp")))
    board.soft_reset()
    board.exec(OPEN.format(settings={"kind": "card", **target.card}))
    return board


def test_the_card_tells_its_size(card):
    assert card.eval("card.ioctl(4, 0)") >= 2048


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 16, 32])
def test_blocks_come_back(card, blocks):
    code = f"""
kept = bytearray({blocks} * 512)
card.readblocks(at, kept)
data = bytearray((i * 7 + i // 512) & 255 for i in range({blocks} * 512))
back = bytearray(len(data))
card.writeblocks(at, data)
card.readblocks(at, back)
card.writeblocks(at, kept)
print(back == data)
"""
    assert card.exec(code).strip() == "True"


@pytest.mark.parametrize("offset", [1, 255, 511])
def test_parts_of_blocks_come_back(card, offset):
    code = f"""
kept = bytearray(1024)
card.readblocks(at, kept)
card.writeblocks(at, b'part of a block', {offset})
back = bytearray(15)
card.readblocks(at, back, {offset})
card.writeblocks(at, kept)
print(bytes(back))
"""
    assert card.exec(code).strip() == "b'part of a block'"


def test_a_block_beyond_the_end_is_refused(card):
    code = """
try:
    card.readblocks(card.ioctl(4, 0) + 10, bytearray(512))
    print('read')
except DeviceError as error:
    print(error.kind)
"""
    assert card.exec(code).strip() in ("card_range", "card_refused")


def test_reading_is_fast_enough_to_page(card):
    code = """
from time import ticks_us, ticks_diff
b = bytearray(16 * 512)
t = ticks_us()
card.readblocks(at, b)
print(ticks_diff(ticks_us(), t))
"""
    assert int(card.exec(code)) < 16 * 3000
