# SPDX-License-Identifier: Apache-2.0
"""What things cost, by the bench's meter."""

import pytest

LOOP = "for _ in range(200):\n    x = i * i"
MULTIPLY = """
import sys
if '/lib' not in sys.path: sys.path.append('/lib')
import tercet_kernels as k
from array import array
arena = bytearray(16384)
hyper = array('f', [0.0] * 16)
sizes = array('I', [0, 4096, 8192, 12288, 16, 32, 32, 1])
"""


@pytest.mark.energy(max_uj=60)
def test_a_loop_of_python(meter):
    metered = meter.run(LOOP, regions=20)
    assert metered.measurement.valid
    assert metered.measurement.regions[0].duration_s * 1e6 == pytest.approx(metered.times_us[0], abs=80)


@pytest.mark.energy(max_uj=20)
def test_an_empty_region_costs_next_to_nothing(meter):
    metered = meter.run("pass", regions=40)
    assert metered.times_us.max() < 200


@pytest.mark.energy(max_uj=40)
def test_sleep_costs_little_more_than_idling(meter):
    metered = meter.run("sleep_ms(5)", regions=20)
    assert metered.measurement.net.mean < 0.2 * metered.measurement.gross.mean


def test_twice_the_work_takes_twice_the_energy(meter):
    change = meter.compare("for _ in range(2000): pass", "for _ in range(4000): pass", pairs=8)
    assert change.significant and change.change == pytest.approx(1.0, abs=0.02)


def test_the_same_work_takes_the_same_energy(meter):
    change = meter.compare("for _ in range(300): pass", "for _ in range(300): pass", pairs=10)
    assert abs(change.change) < 0.01


@pytest.mark.energy(baseline="baselines.json", tolerance=0.10)
def test_a_dense_layer(meter, board, bench):
    from tercet import targets
    from tercet.board import sync
    from tercet.train.session import library_files

    sync.sync(board, dict(library_files(targets.load(bench.target), "mlp")))
    board.soft_reset()
    metered = meter.run("k.exec(16, sizes, arena, hyper)", setup=MULTIPLY, regions=20)
    assert metered.measurement.duration.ci < 0.05 * metered.measurement.duration.mean
