# SPDX-License-Identifier: GPL-2.0-or-later
"""What `--truth` keeps agrees with itself and with what the meter sends, and kept samples go through other meters."""

import json
import subprocess
import sys

import numpy as np
import ppk2_stream
import serial

SAMPLES = 40_000
BIN_CYCLES = 640


def test_charge_samples_and_meters_agree(start_board, pulses_hex, tmp_path):
    truth = tmp_path / "truth"
    board = start_board("--image", pulses_hex, "--truth", truth, "--pace", "max")
    with serial.Serial(board.meter, timeout=20) as meter:
        meter.write(b"\x06")
        wire = meter.read(4 * SAMPLES)
    board.stop()
    current_ua, logic = np.fromfile(truth / "samples.f64"), np.fromfile(truth / "samples.u8", np.uint8)
    assert len(current_ua) == len(logic) >= SAMPLES
    edges = [e for line in (truth / "charge.jsonl").read_text().splitlines() if (e := json.loads(line))["level"] is not None]
    rises = [e for e in edges if e["level"] == 1]
    seen = np.flatnonzero(np.diff((logic & 1).astype(int)) == 1) + 1
    # the client came later than the first edges, and the last slice may not have been taken
    counts = [round(e["cycle"] / BIN_CYCLES) for e in rises]
    shift = counts[len(counts) - len(seen)] - seen[0] if len(counts) >= len(seen) else 0
    at = {count: e for count, e in zip(counts, rises, strict=True)}
    first, last = next((a, b) for a, b in zip(seen[1:], seen[60:], strict=False) if {a + shift, b + shift} <= at.keys())
    charge_c = sum(at[last + shift][key] - at[first + shift][key] for key in ("soc_c", "card_c"))
    assert np.isclose(current_ua[first:last].sum() * 1e-11, charge_c, rtol=2e-3)

    spans = [[0, 500], [int(first), int(last)]]
    (tmp_path / "jobs").write_text("".join(json.dumps({"seed": seed, "spans": spans}) + "\n" for seed in (1, 2)))
    words = ["meter", truth, tmp_path / "jobs", tmp_path]
    subprocess.run([sys.executable, "-m", "tercet_virtual_board", *map(str, words)], check=True, timeout=60)
    wires = [(tmp_path / f"{seed}.bin").read_bytes() for seed in (1, 2)]
    assert wires[0] != wires[1] and len(wires[0]) == 4 * (500 + last - first)
    kept = np.concatenate([current_ua[:500], current_ua[first:last]])
    for seed, sent in zip((1, 2), wires, strict=True):
        read = ppk2_stream.decode(sent, ppk2_stream.parse_metadata((tmp_path / f"{seed}.txt").read_bytes()), 3.0)
        assert abs(read["current_ua"].mean() / kept.mean() - 1) < 2e-3
        assert np.array_equal(read["logic"][500:], logic[first:last])
    assert len(wire) == 4 * SAMPLES
