# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults from a file reach the board at their moments."""

import json

import pytest
from tercet_virtual_board import faults
from tercet_virtual_board.options import Options
from tercet_virtual_board.process import BoardProcess

# Prints one line a millisecond: reset reason in the first, then a counter kept in RAM.
SOURCE = """
#include "bare.h"
static unsigned counter __attribute__((section(".noinit")));
int main(void)
{
    put("boot ");
    put_hex(REG(0x40000400));
    put_hex(counter);
    counter = 0;
    REG(0x40008510) = 4;
    REG(0x40008508) = 3;
    REG(0x40008000) = 1;
    for (;;) {
        REG(0x40008040) = 1;
        unsigned start = REG(0x40008540);
        while (REG(0x40008540) - start < 5000)
            REG(0x40008040) = 1;
        counter++;
        put("x");
    }
}"""


@pytest.fixture
def run(build_image, tmp_path):
    """Runs a board with faults for some virtual milliseconds; returns the process and what its console said."""

    boards = []

    def go(lines: list[dict], milliseconds: float, source: str = SOURCE, name: str = "faulty"):
        path = tmp_path / "faults.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        options = Options(name="t", state=tmp_path / "state", image=build_image(name, source), faults=path, pace="max",
                          stop_at_ms=milliseconds, line="direct")
        board = BoardProcess(options)
        heard = bytearray()
        board.serial.hear = heard.extend
        while not board._stopping:
            assert board._slice() == 0
        boards.append(board)
        return board, bytes(heard)

    yield go
    for board in boards:
        board.close()


def test_power_cut_and_brown_out(run):
    board, heard = run([{"fault": "power_cut", "at_ms": 32, "for_ms": 20}, {"fault": "brown_out", "at_ms": 80}], 110)
    boots = heard.split(b"boot ")[1:]
    assert len(boots) == 3
    assert all(boot.startswith(b"00000000\n") for boot in boots)
    counters = [int(boot.split(b"\n")[1][:8], 16) for boot in boots]
    assert counters[1] > 1000  # noise: RAM was lost
    assert 1 <= counters[2] <= 8  # RAM survived the dip
    assert board.chip.view().reset_count - board.first_reset == 2


def test_console_faults(run):
    _, clean = run([], 60)
    _, damaged = run([{"fault": "uart_lost", "at_ms": 1, "to": "host", "count": 2},
                      {"fault": "uart_flip", "after": {"console_bytes": 12}, "to": "host", "bit": 1}], 60)
    assert len(damaged) == len(clean) - 2
    differing = sum(a != b for a, b in zip(clean[2:], damaged, strict=True))
    assert differing == 1


def test_card_faults_wait_for_their_counter(run):
    board, _ = run([{"fault": "sd_refuse_write", "after": {"sd_blocks_written": 2}},
                    {"fault": "sd_removed", "at_ms": 20, "for_ms": 10}], 15)
    card = board.card_slot.card
    for expected in (0xE5, 0xED, 0xE5):
        card.writing, card.writing_multiple = 0, False
        assert card.store_block(bytes(512))[0] == expected
    board._stopping, board._end = False, 25 * 64_000
    while not board._stopping:
        board._slice()
    assert board.card_slot.card is None
    board._stopping, board._end = False, 35 * 64_000
    while not board._stopping:
        board._slice()
    assert board.card_slot.card is not None


def test_meter_faults(run):
    board, _ = run([{"fault": "meter_lost", "at_ms": 5, "count": 64}, {"fault": "clock_drift", "at_ms": 5, "ppm": 40}], 10)
    assert board.meter.meter.drift_ppm == 40
    assert board.meter.meter._to_drop == 64


@pytest.mark.parametrize("line", ['{"fault": "nonsense", "at_ms": 1}', '{"fault": "power_cut"}', "not json",
                                  '{"fault": "power_cut", "at_ms": 1, "colour": "red"}',
                                  '{"fault": "power_cut", "after": {"sheep": 1}}'])
def test_bad_lines_are_refused_with_their_number(tmp_path, line):
    path = tmp_path / "faults.jsonl"
    path.write_text('{"fault": "brown_out", "at_ms": 1}\n' + line + "\n")
    with pytest.raises(faults.FaultFileError, match="line 2"):
        faults.load(path)
