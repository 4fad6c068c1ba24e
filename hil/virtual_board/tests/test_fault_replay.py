# SPDX-License-Identifier: GPL-2.0-or-later
"""The same faults file gives the same run again: chip, console, the meter's stream, and what came to pass when.

The card's faults are replayed by the kit's tests, amid a training with pages (`tests/device/test_faults_replay.py`).
"""

import contextlib
import json
import os

from tercet_virtual_board import faults
from tercet_virtual_board.options import Options
from tercet_virtual_board.process import BoardProcess
from test_faults import SOURCE

FAULTS = [
    {"fault": "uart_lost", "at_ms": 3, "to": "host", "count": 2},
    {"fault": "uart_flip", "after": {"console_bytes": 20}, "to": "host"},
    {"fault": "meter_lost", "at_ms": 10, "count": 64}, {"fault": "meter_lost", "at_ms": 12, "count": 7},
    {"fault": "meter_overshoot", "at_ms": 15, "share": 2}, {"fault": "meter_load", "at_ms": 20, "ua": 2000, "for_ms": 5},
    {"fault": "marker_stuck", "at_ms": 30, "pin": 3, "level": 1, "for_ms": 5}, {"fault": "clock_drift", "at_ms": 40, "ppm": 4000},
    {"fault": "power_cut", "at_ms": 45, "for_ms": 7}, {"fault": "meter_silent", "after": {"resets": 1}, "for_ms": 9},
    {"fault": "brown_out", "at_ms": 80},
]


def run(folder, image, lines: list[dict]) -> tuple[dict, bytes, bytes, dict]:
    """(digest, what the console said, what the meter sent, what came to pass) of 100 ms."""
    folder.mkdir()
    (folder / "faults.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = Options(name="t", state=folder, image=image, pace="max", stop_at_ms=100, faults=folder / "faults.jsonl")
    board = BoardProcess(options)
    heard, sent, write = bytearray(), bytearray(), board.meter._wire.write
    board.serial.hear = heard.extend

    def note(data: bytes) -> int:
        count = write(data)
        sent.extend(data[:count])
        return count

    board.meter._wire.write = note
    client = os.open(board.meter.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.write(client, b"\x06")
    while not board._stopping or board.meter.blocked():
        assert board._slice() == 0
        with contextlib.suppress(BlockingIOError):
            os.read(client, 65536)
    result = board.chip.digest(), bytes(heard), bytes(sent), board.faults.report()
    os.close(client)
    board.close()
    return result


def test_a_faults_file_replays_chip_console_and_meter(build_image, tmp_path):
    kinds = {line["fault"] for line in FAULTS}
    assert kinds == {kind for kind in faults.FIELDS if not kind.startswith("sd_")}
    image = build_image("faulty", SOURCE)
    first, second = (run(tmp_path / name, image, FAULTS) for name in ("first", "second"))
    assert second == first
    happened = first[3]["happened"]
    assert len(happened) == len(FAULTS) and {entry["fault"] for entry in happened} == kinds
    clean = run(tmp_path / "clean", image, [])
    assert all(a != b for a, b in zip(first, clean, strict=True))
    assert len(clean[2]) - len(first[2]) > 4 * (64 + 7 + 900 - 300)  # samples lost, those of the silence, less the drift


def test_a_fault_comes_back_as_often_as_it_is_told(build_image, tmp_path):
    lines = [{"fault": "meter_lost", "at_ms": 5, "every_ms": 20, "count": 1}]
    happened = run(tmp_path / "again", build_image("faulty", SOURCE), lines)[3]["happened"]
    assert [round(entry["at_ms"], 1) for entry in happened] == [5, 25, 45, 65, 85]
