# SPDX-License-Identifier: Apache-2.0
"""Whether a board is there, answers, keeps files and time."""

import random

import pytest
from tercet import targets
from tercet.board import sync
from tercet.board.base import ProgramError


def test_the_board_is_the_one_that_the_bench_names(board, bench):
    identity = board.identity()
    target = targets.load(bench.target)
    assert target.machine in identity["machine"]
    assert identity["uid"] and identity["version"]


def test_native_code_of_the_target_loads(board, bench):
    architecture = board.identity()["mpy"] >> 10
    names = [None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"]
    assert names[architecture] == targets.load(bench.target).mpy_arch


def test_the_heap_holds_a_training_arena(board):
    assert board.eval("(__import__('gc').collect(), __import__('gc').mem_free())[1]") > 180_000


def test_microseconds_pass(board):
    code = "from time import ticks_us, ticks_diff, sleep_ms\na = ticks_us()\nsleep_ms(20)\nprint(ticks_diff(ticks_us(), a))"
    assert 20_000 <= int(board.exec(code)) < 25_000


def test_floats_are_single_precision(board):
    assert board.eval("1.0 + 2**-24 == 1.0")
    assert not board.eval("1.0 + 2**-20 == 1.0")


@pytest.mark.parametrize("nbytes", [0, 1, 239, 232, 5000, 20_000])
def test_a_file_comes_back_as_it_went(board, nbytes):
    content = random.Random(nbytes).randbytes(nbytes)
    sync.sync(board, {"/hil.bin": content})
    assert sync.get(board, "/hil.bin") == content
    assert sync.sync(board, {"/hil.bin": content}) == []


def test_files_survive_a_soft_reset(board):
    sync.put(board, "/hil-kept.txt", b"kept")
    board.soft_reset()
    assert sync.get(board, "/hil-kept.txt") == b"kept"


def test_a_buffer_goes_both_ways(board):
    content = random.Random(7).randbytes(32_768)
    sync.put_buffer(board, "buffer", content)
    assert sync.get_buffer(board, "buffer") == content


def test_an_endless_program_is_interrupted(board):
    events = board.run("print('@tercet {\"event\": \"up\"}')\nwhile True:\n    pass")
    assert next(events) == {"event": "up"}
    events.close()
    assert board.eval("6 * 7") == 42


def test_an_exception_names_its_line(board):
    with pytest.raises(ProgramError, match="ZeroDivisionError"):
        board.exec("def f():\n    return 1 // 0\nf()")


def test_the_heap_runs_out_without_a_crash(board):
    with pytest.raises(ProgramError, match="MemoryError"):
        board.exec("x = bytearray(10_000_000)")
    assert board.eval("1") == 1


def test_the_hash_is_sha256(board):
    digest = board.eval("__import__('hashlib').sha256(b'abc').digest()")
    assert digest.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
