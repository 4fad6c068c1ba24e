# SPDX-License-Identifier: Apache-2.0
"""The kernel table on the emulated core: every workload stays within its bound of cycles, and two runs agree."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from tercet import resources
from tercet.board import bare
from tercet.errors import SetupError
from tercet.profile.kernels import RAM_KB

# cycles of a step, or per multiply-accumulate; what a training step may hold in RAM
STEPS = {"mlp-64-32-10-b1": 28_000, "mlp-64-32-10-b16": 350_000, "mlp-784-128-10-b1": 850_000, "mlp-784-128-10-b16": 10_500_000}
PER_MAC = {
    "matvec-128x784": 3.5, "gemm-64": 3.0, "int8-dense-128x784": 1.9, "int8-depthwise-3x3-16-32x32": 10.5,
    "conv2d-3x3-16-16-32x32-forward": 3.0,
    "conv2d-3x3-16-16-32x32-backward-data": 3.0, "conv2d-3x3-16-16-32x32-backward-weights": 3.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    """Every workload's line, by its name."""
    try:
        image = resources.bench_image()
    except SetupError as error:
        pytest.skip(f"{error}: make kernels")
    if not find_spec("tercet_virtual_board"):
        pytest.skip("no virtual board: pip install hil/virtual_board")
    return {row["workload"]: row for row in bare.run(image, ram_kb=RAM_KB)}, image


@pytest.mark.parametrize("workload", STEPS)
def test_a_training_step_keeps_within_its_cycles(rows, workload):
    assert 0 < rows[0][workload]["cycles"] <= STEPS[workload]


@pytest.mark.parametrize("workload", PER_MAC)
def test_a_kernel_keeps_within_its_cycles_per_product(rows, workload):
    row = rows[0][workload]
    assert 0 < row["cycles"] / row["macs"] <= PER_MAC[workload]


def test_the_small_step_fits_its_ram(rows):
    assert rows[0]["mlp-64-32-10-b1"]["ram_bytes"] <= 10_500


def test_wait_states_cost_little_where_the_cache_holds_the_loop(rows):
    timed, image = rows
    full = {row["workload"]: row["cycles"] for row in bare.run(image, ram_kb=RAM_KB, cycle_model="full")}
    assert full.keys() == timed.keys()
    assert all(timed[name]["cycles"] < full[name] for name in full)
    assert full["gemm-64"] < 1.05 * timed["gemm-64"]["cycles"]


def test_a_second_run_counts_instructions(rows):
    timed, image = rows
    counted = {row["workload"]: row["cycles"] for row in bare.run(image, ram_kb=RAM_KB, cycle_model="instructions")}
    assert counted.keys() == timed.keys()
    assert all(0 < counted[name] < timed[name]["cycles"] for name in counted)
