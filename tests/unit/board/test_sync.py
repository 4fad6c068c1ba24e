# SPDX-License-Identifier: Apache-2.0
"""Files to and from a board: verified, resent when the line damages or loses bytes, skipped when already there."""

import random

import pytest
from tercet.board import frames, sync
from tercet.board.base import Board, ProgramError
from tercet.errors import BoardError

DATA = random.Random(1).randbytes(20_001)


@pytest.fixture
def board(console):
    with Board(console.port) as board:
        yield board


def test_a_file_arrives_as_it_is(board, tmp_path):
    assert sync.sync(board, {"a/b/data.bin": DATA, "empty": b""}) == ["a/b/data.bin", "empty"]
    assert (tmp_path / "a/b/data.bin").read_bytes() == DATA
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_file_that_is_there_is_not_sent_again(console, board, tmp_path):
    sync.sync(board, {"data.bin": DATA})
    before = console.sent
    assert sync.sync(board, {"data.bin": DATA}) == []
    assert console.sent - before < 3000
    assert sync.sync(board, {"data.bin": DATA[:-1] + b"!"}) == ["data.bin"]
    assert (tmp_path / "data.bin").read_bytes() == DATA[:-1] + b"!"


def test_progress_ends_at_the_whole(board):
    calls = []
    sync.sync(board, {"x": DATA}, progress=lambda *call: calls.append(call))
    assert calls[-1] == ("x", len(DATA), len(DATA))
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


@pytest.mark.parametrize("fault", ["flip", "drop", "insert"])
def test_a_damaged_line_costs_time_but_no_byte(console, board, tmp_path, fault):
    seen = [0]

    def damage(data):
        out = bytearray()
        for byte in data:
            seen[0] += 1
            if seen[0] % 4099 == 0:
                out += {"flip": bytes([byte ^ 16]), "drop": b"", "insert": bytes([byte, 7])}[fault]
            else:
                out.append(byte)
        return bytes(out)

    board.exec(frames.RECEIVER + sync._PUT_FILE)  # programs are not protected, only what follows them
    sync.hashes(board, ["data.bin"])
    sync.hashes(board, [])
    original = board.transport.start

    def start(code):
        console.damage = None
        original(code)
        if code.startswith("_tercet_put"):
            console.damage = damage

    board.transport.start = start
    assert sync.sync(board, {"data.bin": DATA}) == ["data.bin"]
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert seen[0] > len(DATA) + 480


def test_a_line_that_loses_everything_is_an_error(console, board, tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "ANSWER_S", 0.05)
    monkeypatch.setattr(frames, "_ATTEMPTS", 3)
    monkeypatch.setattr("tercet.board.transport._PROMPT_S", 0.3)
    original = board.transport.start

    def start(code):
        original(code)
        if code.startswith("_tercet_put"):
            console.damage = lambda data: b"" if len(data) > 100 else data

    board.transport.start = start
    with pytest.raises(BoardError, match=r"does not arrive|does not answer"):
        sync.sync(board, {"data.bin": DATA})
    assert not (tmp_path / "data.bin").exists()


def test_a_buffer_goes_both_ways(board):
    sync.put_buffer(board, "weights", DATA)
    assert board.eval("len(weights)") == len(DATA)
    assert sync.get_buffer(board, "weights") == DATA
    assert sync.get_buffer(board, "memoryview(weights)[5:9]") == DATA[5:9]


def test_a_file_comes_back(board, tmp_path):
    (tmp_path / "log.bin").write_bytes(DATA * 3)
    assert sync.get_file(board, "log.bin") == DATA * 3


def test_a_missing_file_is_named(board):
    with pytest.raises(ProgramError, match="OSError"):
        sync.get_file(board, "nothing.bin")
    with pytest.raises(ProgramError, match="NameError"):
        sync.get_buffer(board, "no_such_buffer")
    assert board.eval("1") == 1


def test_an_unwritable_place_is_an_error_and_the_board_goes_on(board):
    with pytest.raises(ProgramError, match="OSError"):
        sync.sync(board, {"/proc/nothing": b"abc"})
    assert board.eval("2") == 2
