# SPDX-License-Identifier: Apache-2.0
"""The native module on MicroPython's unix port: its functions, and what it says to wrong arguments."""

from __future__ import annotations

import json
import subprocess
import zlib
from pathlib import Path

import pytest
from tercet.plan_format import RECORD, WAIT

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = ROOT / "build" / "firmware" / "unix" / "micropython"
MODULES = ROOT / "build" / "firmware" / "natmod"
PRELUDE = """
import sys, json
sys.path.insert(0, %r)
import tercet_kernels as k
from array import array
arena = bytearray(1024)
hyper = array("f", [0.5] + [0.0] * 10)
def put(at, *v):
    data = bytes(array("f", v)); arena[at:at + len(data)] = data
def get(at, n): return list(array("f", bytes(arena[at:at + 4 * n])))
def fails(f, *a):
    try: f(*a)
    except ValueError: return True
    return False
"""


@pytest.fixture(params=["mlp", "cnn", "all"])
def on_unix(request, tmp_path):
    """`on_unix(code)` -> the value that `code` leaves in `result`."""
    folder = MODULES / "x64" / request.param
    if not MICROPYTHON.exists() or not (folder / "tercet_kernels.mpy").exists():
        pytest.skip("MicroPython's unix port or the native modules are not built: make firmware kernels")

    def run(code: str):
        program = tmp_path / "program.py"
        program.write_text(PRELUDE % str(folder) + code + "\nprint(json.dumps(result))\n")
        done = subprocess.run([MICROPYTHON, program], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_checksums_and_bytes(on_unix):
    result = on_unix("""
text = b"123456789"
k.fill(arena, 0xA5)
result = [k.crc32(text), k.crc32(text[4:], k.crc32(text[:4])), k.crc16(text), k.high_water(arena, 0xA5)]
arena[100] = 1
k.u8_to_f32(arena, 8, bytes([0, 255]), array("f", [2.0, 1.0]))
result += [k.high_water(arena, 0xA5), get(8, 2)]
""")
    assert result == [zlib.crc32(b"123456789")] * 2 + [0x31C3, 0, 101, [1.0, 511.0]]


def test_a_plan_runs_up_to_the_first_record_of_the_runtime(on_unix):
    # y = relu(w x + b) at 0, then w -= rate x', then a record that Python executes
    records = RECORD.pack(16, 2, 0, 0, 0) + RECORD.pack(19, 5, 1, 4, 0) + RECORD.pack(WAIT, 7, 2, 0, 0)
    operands = [0, 4, 8, 12, 8, 12, 0, 4]
    result = on_unix(f"""
put(64, 1, 2, 3); put(128, 1, 0, 1, -1, 0, -2); put(192, 0.5, 0.25)
plan = {records!r} + bytes(array("H", {operands})) + bytes(array("H", [1, 3, 2, 1]))
args = array("I", [0, 3, 0, 24, {24 + 16}, 0, 0, 0, 0, 0])
result = [k.run(args, plan, arena, hyper), get(0, 2), get(128, 6), get(192, 2)]
args[1] = 1
result.append(k.run(args, plan, arena, hyper))
""")
    # dz = y: the update has w -= 0.5 y x'
    first = [1 - 2.25, -4.5, 1 - 6.75]
    assert result == [2, [4.5, 0.0], [*first, -1.0, 0.0, -2.0], [0.5 - 2.25, 0.25], 1]


def test_wrong_records_are_named(on_unix):
    bad_opcode = RECORD.pack(16, 2, 0, 0, 0) + RECORD.pack(99 + 16, 2, 0, 0, 0)
    outside = RECORD.pack(16, 2, 0, 1, 0)
    result = on_unix(f"""
def run(records, operands, end):
    plan = records + bytes(array("H", operands)) + bytes(array("H", [1, 3, 2, 1]))
    dims = len(records) + 2 * len(operands)
    return k.run(array("I", [0, end, 0, len(records), dims, 0, 0, 0, 0, 0]), plan, arena, hyper)
result = [run({bad_opcode!r}, [0, 4, 8, 12], 2), run({outside!r}, [0, 4, 8, 12], 1), run({outside!r}, [0, 4, 8, 12, 64], 1)]
""")
    assert result == [-2, -1, -1]


def test_wrong_arguments_raise(on_unix):
    assert on_unix("""
plan = bytes(64)
result = [
    fails(k.run, array("I", [0, 9, 0, 8, 16, 0, 0, 0, 0]), plan, arena, hyper),
    fails(k.run, array("I", [0, 1, 0, 8, 99, 0, 0, 0, 0]), plan, arena, hyper),
    fails(k.run, array("I", [0, 1, 0, 8]), plan, arena, hyper),
    fails(k.run, array("I", [0, 1, 0, 8, 16, 0, 0, 0, 0]), plan, arena, array("f", [0])),
    fails(k.exec, 16, array("I", [0, 64, 128, 4096, 1, 3, 2, 1]), arena, hyper),
    fails(k.exec, 16, array("I", [0, 64, 130, 0, 1, 3, 2, 1]), arena, hyper),
    fails(k.u8_to_f32, arena, 1020, bytes(2), hyper),
    fails(k.u8_to_f32, arena, 2, bytes(2), hyper),
    k.exec(200, array("I", [0]), arena, hyper) == -1,
]
""") == [True] * 9


def test_eight_bit_layers(tmp_path):
    folder = MODULES / "x64" / "int8"
    if not MICROPYTHON.exists() or not (folder / "tercet_int8.mpy").exists():
        pytest.skip("MicroPython's unix port or the native modules are not built: make firmware kernels")
    program = tmp_path / "program.py"
    program.write_text(f"import sys, json\nsys.path.insert(0, {str(folder)!r})\n" + """
import tercet_int8 as k
from array import array
def fails(f, *a):
    try: f(*a)
    except ValueError: return True
    return False
scale = array("i", [10, -10]), array("i", [1 << 30, 1 << 30]), bytes([31, 31])
x, w, y = array("b", [1, 2, 3, 4, 5]), array("b", [1, 1, 1, 1, 1, -1, 2, -3, 4, 100]), array("b", [0, 0])
args = array("i", [1, 5, 2, 1, -128, 127])
k.dense(args, y, x, w, *scale)
result = [list(y), fails(k.dense, args, y, x[:4], w, *scale), fails(k.dense, args, y[:1], x, w, *scale)]
conv = array("i", [1, 1, 3, 3, 1, 2, 2, 2, 2, 1, 1, 0, 0, 1, 0, -128, 127, 0])
image, out = array("b", range(9)), array("b", [0] * 4)
one = array("i", [0]), array("i", [1 << 30]), bytes([30])
k.conv2d(conv, out, image, array("b", [1, 2, 3, 4]), *one)
result += [list(out), fails(k.conv2d, conv, out, image[:8], array("b", [1, 2, 3, 4]), *one)]
print(json.dumps(result))
""")
    done = subprocess.run([MICROPYTHON, program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    # (10 + 15) / 2 + 1 and (-10 - 1 + 4 - 9 + 16 + 500) / 2 + 1 beyond 127
    assert json.loads(done.stdout) == [[14, 127], True, True, [27, 37, 57, 67], True]


@pytest.mark.parametrize(("architecture", "limits"), [
    ("armv7emsp", {"mlp": 14_000, "cnn": 24_500, "all": 32_500}),
    ("armv6m", {"mlp": 16_000, "cnn": 26_500, "all": 36_000}),
])  # fmt: skip
def test_modules_are_small_enough_for_the_heap(architecture, limits):
    sizes = {name: MODULES / architecture / name / "tercet_kernels.mpy" for name in limits}
    if not all(path.exists() for path in sizes.values()):
        pytest.skip("the native modules are not built: make kernels")
    assert {name: path.stat().st_size for name, path in sizes.items() if path.stat().st_size > limits[name]} == {}
