# SPDX-License-Identifier: Apache-2.0
"""Programs on a board: output, tagged lines, errors, interruption, ports that are missing or go away."""

import threading
import time

import pytest
from tercet.board.base import Board, ProgramError
from tercet.errors import BoardError


@pytest.fixture
def board(console):
    with Board(console.port) as board:
        yield board


def test_exec_returns_what_is_printed(board):
    assert board.exec("print('three', 3)\nprint('lines')") == "three 3\nlines\n"


def test_a_long_program_passes_the_paste_window(board):
    lines = "\n".join(f"x{i} = {i}" for i in range(500))
    assert board.exec(lines + "\nprint(x499)") == "499\n"


def test_eval_gives_a_value(board):
    assert board.eval("[1, b'a', 'b']") == [1, b"a", "b"]


def test_state_stays_until_a_soft_reset(board):
    board.exec("kept = 5")
    assert board.eval("kept") == 5
    board.soft_reset()
    with pytest.raises(ProgramError, match="NameError"):
        board.eval("kept")


def test_events_come_one_by_one_and_the_rest_is_kept(board):
    events = board.run("import json\nfor i in range(3):\n print('@tercet ' + json.dumps({'i': i}))\n print('noise', i)")
    assert [event["i"] for event in events] == [0, 1, 2]
    assert list(board.output)[-3:] == ["noise 0", "noise 1", "noise 2"]


def test_an_event_arrives_before_the_program_ends(board):
    events = board.run("print('@tercet {\"a\": 1}')\nimport sys\nsys.stdin.buffer.read(1)")
    assert next(events) == {"a": 1}
    board.transport.link.write(b"x")
    assert list(events) == []


def test_an_abandoned_program_is_interrupted(board):
    events = board.run("print('@tercet {}')\nwhile True:\n pass")
    next(events)
    events.close()
    assert board.eval("1 + 1") == 2


def test_an_error_on_the_board_names_kind_and_place(board):
    with pytest.raises(ProgramError, match="ValueError: wrong shape") as caught:
        list(board.run("def f():\n raise ValueError('wrong shape')\nf()"))
    assert caught.value.kind == "ValueError" and "line 2" in str(caught.value) and "Traceback" in caught.value.trace


def test_a_damaged_tagged_line_is_an_error(board):
    with pytest.raises(BoardError, match="damaged"):
        list(board.run("print('@tercet {\"a\": ')"))
    assert board.eval("2") == 2


def test_silence_ends_at_its_deadline(board):
    begun = time.monotonic()
    with pytest.raises(BoardError, match="said nothing"):
        list(board.run("while True:\n pass", silence_s=0.3))
    assert time.monotonic() - begun < 30
    assert board.eval("3") == 3


def test_a_missing_port_is_named():
    with pytest.raises(BoardError, match="/dev/tty-not-there does not exist"):
        Board("/dev/tty-not-there").exec("1")


def test_a_missing_usb_serial_number_is_named():
    with pytest.raises(BoardError, match="0123456789"):
        Board("usb:0123456789").exec("1")


def test_a_port_that_goes_away_is_reported(console, board):
    events = board.run("print('@tercet {}')\nwhile True:\n pass")
    next(events)
    threading.Timer(0.2, console.unplug).start()
    with pytest.raises(BoardError, match="went away"):
        next(events)


def test_a_silent_board_is_power_cycled_once(console, monkeypatch):
    monkeypatch.setattr("tercet.board.transport._PROMPT_S", 0.5)
    cycles = []
    console.damage = lambda data: data if cycles else b""
    board = Board(console.port, power_cycle=lambda: cycles.append(1))
    assert board.eval("7") == 7
    assert cycles == [1]
    board.close()


def test_a_board_that_never_answers_is_an_error(console, monkeypatch):
    monkeypatch.setattr("tercet.board.transport._PROMPT_S", 0.2)
    console.damage = lambda data: b""
    with pytest.raises(BoardError, match="does not answer"):
        Board(console.port).exec("1")
