# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4F's native modules on the board: they load, and their bits are those of this machine's library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tercet.kernel_table import HYPER, KERNELS

MODULES = Path(__file__).resolve().parents[2] / "build" / "firmware" / "natmod" / "armv7emsp"
CONV = (2, 3, 9, 7, 5, 9, 7, 3, 3, 1, 1, 1, 1, 1)
CASES = {
    "mlp": ("dense_forward", (5, 13, 11, 2), {"x": 65, "w": 143, "b": 11, "y": 55}),
    "cnn": ("conv2d_backward_data", CONV, {"dz": 630, "w": 135, "dx": 378}),
    "all": ("groupnorm_forward", (2, 6, 5, 3, *(0xC5AC, 0x3727)),
            {"x": 60, "gamma": 6, "beta": 6, "mean": 6, "variance": 6, "y": 60}),
}  # fmt: skip
PROGRAM = """
import json, gc, tercet_kernels
from array import array
gc.collect()
arena = bytearray({size})
arena[:] = bytes(array("I", {words}))
args = array("I", {args})
status = tercet_kernels.exec({opcode}, args, arena, array("f", [0.1] * {hyper}))
print(json.dumps([status, list(array("I", bytes(arena)))]))
"""


@pytest.mark.board
@pytest.mark.parametrize("operators", CASES)
def test_bits_on_the_board_are_those_of_this_machine(virtual_board, kernels, operators):
    module = MODULES / operators / "tercet_kernels.mpy"
    if not module.exists():
        pytest.skip("the native modules are not built: make kernels")
    virtual_board.mpremote("resume", "fs", "cp", module, ":tercet_kernels.mpy")
    op, dims, counts = CASES[operators]
    row = KERNELS[op]
    random = np.random.default_rng(row.opcode)
    tensors = {name: random.integers(-999, 999, counts[name]).astype(np.float32) / np.float32(512) for name in row.tensors}
    ends = np.cumsum([4 * len(tensors[name]) for name in row.tensors])
    offsets = [0, *ends[:-1].tolist()]
    before = np.concatenate([tensors[name] for name in row.tensors]).view(np.uint32).tolist()
    program = PROGRAM.format(
        size=int(ends[-1]), words=before, args=[*offsets, *dims], opcode=row.opcode, hyper=len(HYPER)
    )
    status, words = json.loads(virtual_board.mpremote("soft-reset", "exec", program))
    kernels.run(op, dims, dict.fromkeys(HYPER, 0.1), **tensors)
    assert status == 0
    expected = np.concatenate([tensors[name] for name in row.tensors]).view(np.uint32)
    assert words == expected.tolist()
