# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's meter clients at the virtual meter, in real time."""

import itertools
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import ppk2_stream
import pytest
import serial

pytest.importorskip("ppk2_api", reason="ppk2-api is not installed: pip install ppk2-api")

CLIENT = pathlib.Path(__file__).parent / "clients" / "read_ppk2_api.py"


def read_with_ppk2_api(port: str, seconds: float) -> dict:
    """What the client script saw."""
    done = subprocess.run([sys.executable, CLIENT, port, str(seconds)], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ppk2_api_reads_every_sample_and_every_marker_edge(start_board, pulses_hex):
    board = start_board("--image", pulses_hex, "--pace", "realtime")
    for _ in range(4):  # a host that is busy with other things may starve one attempt: then virtual time falls behind
        seen = read_with_ppk2_api(board.meter, 2)
        if seen["samples"] >= 20_000:
            break
    print(f"ppk2-api read {seen['samples'] / seen['seconds']:.0f} samples a second")  # 95,000 and more on a host with time
    assert seen["samples"] >= 20_000
    assert seen["lost"] == 0
    assert 100 < seen["mean_ua"] < 5_000, "a core that mostly sleeps"
    edges = seen["edges"]["0"]
    gaps = [b - a for a, b in itertools.pairwise(edges)]
    assert len(edges) >= seen["samples"] // 200 - 2
    assert all(gap in (99, 100, 101) for gap in gaps[::2]) or all(gap in (99, 100, 101) for gap in gaps[1::2])
    assert {a + b for a, b in itertools.pairwise(gaps)} <= {399, 400, 401, 402}
    assert len(seen["edges"]["1"]) == pytest.approx(len(edges) / 2, abs=4), "D1 changes in every other round"


class Reader:
    """A client of our own on the meter's terminal, written against the protocol's description."""

    def __init__(self, port: str) -> None:
        self.line = serial.Serial(port, 9600, timeout=30)
        self.constants = ppk2_stream.parse_metadata(self.ask(b"\x19"))

    def ask(self, command: bytes) -> bytes:
        for byte in command:
            self.line.write(bytes([byte]))
        return self.line.read_until(b"END\n")

    def samples(self, count: int, command: bytes = b"") -> dict[str, np.ndarray]:
        """The next `count` samples; `command` follows the start at once, before virtual time runs on without the reader."""
        self.line.write(b"\x06" + command)
        stream = self.line.read(4 * count)
        self.line.write(b"\x07")
        return ppk2_stream.decode(stream, self.constants, 3.0)


def test_running_free_every_sample_is_a_virtual_ten_microseconds(start_board, pulses_hex):
    board = start_board("--image", pulses_hex, "--pace", "max")
    reader = Reader(board.meter)
    seen = reader.samples(100_000)
    reader.line.close()
    assert len(seen["current_ua"]) == 100_000 and ppk2_stream.lost_samples(seen["counter"]) == 0
    rises = np.flatnonzero(np.diff(seen["logic"].astype(int) & 1) == 1)
    assert len(rises) == pytest.approx(250, abs=1)
    assert set(np.diff(rises)) <= {400, 401}
    # D1..D7 carry the number of the round, which goes up by one each time.
    rounds = seen["logic"][rises[:-1] + 150] >> 1
    assert set(np.diff(rounds.astype(int)) % 128) == {1}
    assert seen["current_ua"][seen["logic"] > 0].mean() == pytest.approx(seen["current_ua"].mean(), rel=0.1)


def test_a_sourcing_meter_switches_the_board(start_board, pulses_hex):
    board = start_board("--image", pulses_hex, "--pace", "max")
    reader = Reader(board.meter)
    reader.line.write(b"\x11\x02\x0d\x0b\xb8")  # source mode, 3000 mV: the output is still off
    dark = reader.samples(5_000)
    assert dark["current_ua"][1_000:].mean() == pytest.approx(0, abs=1) and not dark["logic"].any()
    lit = reader.samples(50_000, b"\x0c\x01")
    rises = np.flatnonzero(np.diff(lit["logic"].astype(int) & 1) == 1)
    assert lit["current_ua"][-10_000:].mean() > 100
    assert lit["logic"][rises[0] + 150] >> 1 == 0, "the program started afresh"
    reader.line.close()
    again = Reader(board.meter)
    for attempt in range(12):  # the output drops half a virtual second after the port closed
        if again.samples(10_000)["current_ua"].mean() < 1:
            break
        again.line.close()
        time.sleep(0.5 * (1 + attempt))  # long enough for a board that a busy host lets run only now and then
        again = Reader(board.meter)
    assert again.samples(10_000)["current_ua"].mean() < 1
    again.line.close()


def test_the_second_port_is_there_and_says_nothing(start_board, pulses_hex, tmp_path):
    start_board("--image", pulses_hex, "--pace", "max")
    lower, upper = (tmp_path / "board-0" / name for name in ("meter-if01", "meter-if03"))
    with serial.Serial(str(upper), 9600, timeout=0.5) as idle:
        idle.write(b"\x19\x06")
        assert idle.read(100) == b""
    reader = Reader(str(lower))
    assert len(reader.samples(1_000)["current_ua"]) == 1_000
    reader.line.close()


@pytest.mark.parametrize(("lost", "visible"), [(10, 10), (64, 0)])
def test_samples_lost_by_a_fault_show_in_the_marker_edges_at_least(start_board, pulses_hex, tmp_path, lost, visible):
    faults = tmp_path / "faults.jsonl"
    faults.write_text(json.dumps({"fault": "meter_lost", "at_ms": 2_000, "count": lost}) + "\n")
    board = start_board("--image", pulses_hex, "--pace", "max", "--faults", faults)
    reader = Reader(board.meter)
    seen = reader.samples(250_000)
    reader.line.close()
    assert ppk2_stream.lost_samples(seen["counter"]) == visible
    periods = np.diff(np.flatnonzero(np.diff(seen["logic"].astype(int) & 1) == 1))
    assert sum(abs(period - 400) > 2 for period in periods) == 1
    assert min(periods) in range(400 - lost, 402 - lost)
