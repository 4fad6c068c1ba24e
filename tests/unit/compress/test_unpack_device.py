# SPDX-License-Identifier: Apache-2.0
"""The board's decoder gives the stored bytes that the host's decoder gives, on MicroPython's unix port."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from tercet.compress.codebook import round_to
from tercet.compress.packed import pack, tensor, unpack
from tercet.compress.packed.container import check
from tercet.compress.packed.head import parameter_order
from tercet.model import Builder, initialise

ROOT = Path(__file__).resolve().parents[3]
MICROPYTHON = ROOT / "build" / "firmware" / "unix" / "micropython"
PROGRAM = """
import sys, binascii
sys.path[:] = [{library!r}, ".frozen"]
from tercet_device.unpack import Packed
from tercet_device.errors import DeviceError
data = open({path!r}, "rb").read()
packed = Packed(data)
print(packed.head["n"], len(packed.records))
for record in packed.records:
    print(record.kind, record.fraction, record.rows, record.columns, binascii.hexlify(record.values()).decode())
missed = 0
for at in range(len(data)):
    broken = bytearray(data)
    broken[at] ^= 1 << at % 8
    try:
        Packed(broken)
        missed += 1
    except DeviceError:
        pass
print("missed", missed)
"""


def _model():
    net = Builder("little", (1, 6, 6)).conv(4, 3).relu().max_pool(2).flatten().dense(30).relu().dense(3)
    model = net.model()
    generator = np.random.default_rng(0)
    weights = initialise(model)
    weights["dense1.w"] = round_to(weights["dense1.w"], 4) * (generator.random(weights["dense1.w"].shape) < 0.1)
    weights["dense2.w"] = weights["dense2.w"].astype(np.float16).astype(np.float32)
    weights["conv2d1.w"] *= generator.random(weights["conv2d1.w"].shape) < 0.4
    weights["dense2.b"] = round_to(generator.standard_normal(3), 12, 16)
    return model, weights


@pytest.mark.skipif(not MICROPYTHON.exists(), reason="MicroPython's unix port is not built: make firmware")
def test_the_board_decodes_bit_by_bit(tmp_path):
    model, weights = _model()
    path = tmp_path / "m.trz"
    path.write_bytes(pack(model, weights))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(library=str(ROOT / "device_lib"), path=str(path)))
    done = subprocess.run([str(MICROPYTHON), str(program)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    head, *rows, end = done.stdout.splitlines()
    assert head == f"little {len(weights)}" and end == "missed 0"
    decoded = unpack(path.read_bytes())[1]
    for name, row in zip(parameter_order(model), rows, strict=True):
        kind, fraction, height, width, stored = row.split()
        values = tensor.kind_of(int(kind), int(fraction)).decode(bytes.fromhex(stored))
        assert np.array_equal(values.reshape(int(height), int(width)), tensor.matrix(decoded[name])), name
    assert check(path.read_bytes())
