# SPDX-License-Identifier: Apache-2.0
"""An operator of 300 us under a simulated meter: the error and the honesty of the interval, over 500 seeds."""

import numpy as np
from tercet.capture import Capture
from tercet.measure import align, energy
from tercet.measure.statistics import estimate

BIN_US, VOLTS = 10.0, 3.0
IDLE_A, CPU_A, OP_A = 0.35e-3, 3.6e-3, 5.3e-3
OP_US, REPEATS, OVERHEAD_US, ROUNDS = 300.0, 8, 47.0, 12
STEP_A, NOISE_A = 4.3e-6, 3e-6


def capture_of(rng):
    """A run of alternating full and empty regions, integrated into bins with a free phase; returns it and the durations."""
    edges, currents, marks = [0.0], [], []
    durations = []

    def add(duration_us, amperes, level):
        edges.append(edges[-1] + duration_us)
        currents.append(amperes)
        marks.append(level)

    add(rng.uniform(3000, 3100), IDLE_A, 0)
    for _ in range(3):
        add(500 + rng.uniform(0, 20), CPU_A, 1)
        add(500 + rng.uniform(0, 20), CPU_A, 0)
    add(50_000, IDLE_A, 0)
    for i in range(2 * ROUNDS):
        add(rng.uniform(200, 900), CPU_A, 0)
        add(OVERHEAD_US, CPU_A, 1)
        durations.append(OVERHEAD_US)
        if i % 2 == 0:
            add(OP_US * REPEATS, OP_A, 1)
            durations[-1] += OP_US * REPEATS
    add(200, CPU_A, 0)
    add(50_000, IDLE_A, 0)
    at = np.array(edges)
    bins = np.arange(0, at[-1], BIN_US)
    charge = np.interp(bins, at, np.concatenate([[0.0], np.cumsum(np.diff(at) * currents)]))
    current = np.diff(charge) / BIN_US
    level = np.array(marks)[np.searchsorted(at, bins[:-1] + BIN_US / 2, side="right") - 1]
    noisy = current + NOISE_A * rng.standard_normal(len(current))
    measured = (np.round(noisy / STEP_A) * STEP_A).astype(np.float32)
    return Capture(measured, level.astype(np.uint8), 1e6 / BIN_US, VOLTS, "modelled"), np.array(durations)


def operator_energy(seed):
    """(estimate, truth) of the net energy of one run, in microjoules."""
    capture, durations = capture_of(np.random.default_rng(seed))
    result = energy.measure(capture, align.find(capture, 2 * ROUNDS, durations_s=durations * 1e-6))
    assert result.valid, result.causes
    net = np.array([region.net_j for region in result.regions])
    found = estimate((net[0::2] - net[1::2]) / REPEATS * 1e6)
    return found, VOLTS * (OP_A - IDLE_A) * OP_US


def test_the_error_is_below_a_percent_and_the_interval_covers_the_truth():
    hits, worst = 0, 0.0
    for seed in range(500):
        found, truth = operator_energy(seed)
        hits += abs(found.mean - truth) <= found.ci
        worst = max(worst, abs(found.mean / truth - 1))
    assert worst < 0.01
    assert hits >= 465
