# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's meter clients at the virtual meter, in real time."""

import itertools
import json
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("ppk2_api", reason="ppk2-api is not installed: pip install ppk2-api")

CLIENT = pathlib.Path(__file__).parent / "clients" / "read_ppk2_api.py"


def test_ppk2_api_reads_every_sample_and_every_marker_edge(start_board, pulses_hex):
    board = start_board("--image", pulses_hex, "--pace", "realtime")
    done = subprocess.run([sys.executable, CLIENT, board.meter, "2"], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["lost"] == 0
    assert seen["samples"] / seen["seconds"] >= 95_000, "the board keeps up with the wall clock"
    assert 100 < seen["mean_ua"] < 5_000, "a core that mostly sleeps"
    edges = seen["edges"]["0"]
    gaps = [b - a for a, b in itertools.pairwise(edges)]
    assert len(edges) >= seen["samples"] // 200 - 2
    assert all(gap in (99, 100, 101) for gap in gaps[::2]) or all(gap in (99, 100, 101) for gap in gaps[1::2])
    assert {a + b for a, b in itertools.pairwise(gaps)} <= {399, 400, 401, 402}
    assert len(seen["edges"]["1"]) == pytest.approx(len(edges) / 2, abs=4), "D1 changes in every other round"
