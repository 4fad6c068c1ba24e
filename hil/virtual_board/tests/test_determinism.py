# SPDX-License-Identifier: GPL-2.0-or-later
"""The same image and input give the same cycles, charge and memory, however the run is cut and whoever watches."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tercet_virtual_board.options import Options
from tercet_virtual_board.process import BoardProcess

SOURCE = """
#include "bare.h"
static volatile unsigned ticks, words[64];
void handler(unsigned number)
{
    REG(0x40008140) = 0;
    ticks++;
}
int main(void)
{
    static volatile unsigned char received[4];
    REG(0x40002500) = 8;
    REG(0x40002524) = 0x01d60000;
    REG(0x40008508) = 3;
    REG(0x40008540) = 7919;
    REG(0x40008200) = 1;
    REG(0x40008304) = 1u << 16;
    REG(0xe000e100) = 1u << 8;
    REG(0x40008000) = 1;
    REG(0x4000d000) = 1;
    for (unsigned n = 0; n < 5; n++) {
        REG(0x40002534) = (unsigned)received;
        REG(0x40002538) = 1;
        REG(0x40002110) = 0;
        REG(0x40002000) = 1;
        while (!REG(0x40002110))
            __asm volatile("wfi");
        unsigned sum = received[0] + REG(0x4000d508);
        for (unsigned i = 0; i < 20000; i++) {
            sum = sum * 1664525u + 1013904223u + (i & 1 ? ticks : i);
            words[sum >> 26] ^= sum;
        }
        REG(0x4001e504) = 1;
        REG(0x80000 + 4 * n) = sum;
        REG(0x4001e504) = 0;
        put_hex(sum);
    }
    return 0;
}"""


def digest(board, slice_cycles: int, metered: bool) -> dict:
    for i, byte in enumerate(b"hello"):
        board.chip.serial_give(bytes([byte]), (10 + 7 * i) * 64_000)
    if metered:
        board.chip.call("meter", 1, 1 << 16)
    while board.chip.view().cycle < 100 * 64_000:
        board.chip.run(min(100 * 64_000, board.chip.view().cycle + slice_cycles))
        board.said += board.chip.serial_take()
        if metered:
            board.chip.meter_take()
    assert len(board.said.split()) == 5
    result = board.chip.digest()
    assert result.pop("cycle") - 100 * 64_000 < 100  # the last block is finished
    return result


def test_slices_and_meters_do_not_matter(bench):
    reference = digest(bench("repeat", SOURCE), 64_000_000, False)
    assert digest(bench("repeat", SOURCE), 12_345, True) == reference
    assert digest(bench("repeat", SOURCE), 640, False) == reference
    assert digest(bench("repeat", SOURCE, seed=2), 64_000_000, False) != reference


def test_process_with_scripted_input_repeats(build_image, tmp_path):
    script = tmp_path / "input.jsonl"
    script.write_text("".join(json.dumps({"at_ms": 10 + 7 * i, "text": c}) + "\n" for i, c in enumerate("hello")))
    results = []
    for attempt in range(2):
        state = tmp_path / f"state{attempt}"
        command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", "t", "--state", state, "--pace", "max",
                   "--image", build_image("repeat", SOURCE), "--input", script, "--stop-at-ms", "100"]
        subprocess.run(command, cwd=Path(__file__).resolve().parents[1], check=True, timeout=120, capture_output=True)
        results.append(json.loads((state / "digest.json").read_text()))
    assert results[0] == results[1]
    assert results[0]["instructions"] > 100_000


FIRMWARE = Path(__file__).resolve().parents[3] / "build" / "firmware" / "nrf52840" / "firmware.hex"
STEPS = """import os
f=open('w.bin','wb'); f.write(os.urandom(200)); f.close()
w=[[(i*7+j)%11*0.1-0.5 for j in range(12)] for i in range(12)]
x=[0.1*i for i in range(12)]
def step():
  global x,w
  y=[max(0.0,sum(a*b for a,b in zip(r,x))) for r in w]
  w=[[a-0.01*e*b for a,b in zip(r,x)] for r,e in zip(w,y)]
  x=y[1:]+[1.0]
for k in range(10): step()
print('done', x[3], os.urandom(2))
"""


@contextlib.contextmanager
def host_load(processes: int):
    """So many processes that do nothing but compute meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.skipif(not FIRMWARE.exists(), reason="no firmware: make firmware")
def test_ten_runs_of_training_in_micropython_repeat_under_any_load(tmp_path):
    digests = []
    for attempt in range(10):
        options = Options(name="t", state=tmp_path / f"{attempt}", image=FIRMWARE, pace="max", stop_at_ms=2000,
                          input=tmp_path / "input.jsonl")
        lines = [{"at_ms": 300, "hex": "05"}, {"at_ms": 310, "text": STEPS.replace("\n", "\r\n")}, {"at_ms": 600, "hex": "04"}]
        options.input.write_text("".join(json.dumps(line) + "\n" for line in lines))
        board = BoardProcess(options)
        heard = bytearray()
        board.serial.hear = heard.extend
        with host_load(attempt % 4):
            while not board._stopping:
                assert board._slice() == 0
        digests.append((board.chip.digest(), bytes(heard)))
        board.close()
    assert float(digests[0][1].split(b"=== ")[-1].split(b"done ")[1].split()[0]) > 0
    assert all(digest == digests[0] for digest in digests)
