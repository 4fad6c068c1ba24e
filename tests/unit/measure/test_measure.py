# SPDX-License-Identifier: Apache-2.0
"""Alignment, energy and verdicts on captures whose answer is known; each cause of INVALID is provoked."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.capture import Capture
from tercet.measure import align, energy, verdict
from tercet.measure.statistics import difference, estimate, t_quantile, without_outliers

RATE = 100_000.0
IDLE_A, BUSY_A = 0.002, 0.005
PULSE, PAUSE, IDLE = 50, 50, 5000


def made(lengths=(1000, 3000, 2000), busy=(BUSY_A,) * 3, *, noise=0.0, preamble=3, seed=0):
    """A capture: preamble, idle, regions (length in samples, current) with gaps, idle."""
    current, logic = [np.full(300, IDLE_A)], [np.zeros(300, np.uint8)]

    def add(samples, amperes, level):
        current.append(np.full(samples, amperes))
        logic.append(np.full(samples, level, np.uint8))

    for _ in range(preamble):
        add(PULSE, IDLE_A, 1)
        add(PAUSE, IDLE_A, 0)
    add(IDLE, IDLE_A, 0)
    for samples, amperes in zip(lengths, busy, strict=True):
        add(samples // 2, amperes, 1 | 2 << 1)
        add(samples - samples // 2, amperes, 1 | 4 << 1)
        add(200, IDLE_A, 0)
    add(IDLE, IDLE_A, 0)
    joined = np.concatenate(current)
    joined = joined + noise * np.random.default_rng(seed).standard_normal(len(joined))
    return Capture(joined.astype(np.float32), np.concatenate(logic), RATE, 3.0, "modelled", "test")


def measured(capture, lengths=(1000, 3000, 2000), **options):
    found = align.find(capture, len(lengths), durations_s=np.array(lengths) / RATE, **options)
    return energy.measure(capture, found)


def test_the_energies_of_known_regions():
    result = measured(made())
    assert result.causes == ()
    for region, samples in zip(result.regions, (1000, 3000, 2000), strict=True):
        assert region.gross_j == pytest.approx(3.0 * BUSY_A * samples / RATE, rel=1e-6)
        assert region.net_j == pytest.approx(3.0 * (BUSY_A - IDLE_A) * samples / RATE, rel=1e-5)
        assert region.phases[2][0] == pytest.approx(samples / 2 / RATE)
    assert result.baseline.current_a == pytest.approx(IDLE_A)


def test_the_body_splits_the_phases():
    body = energy.to_body(measured(made()), {2: "forward", 4: "backward"})
    assert body["valid"] and set(body["phases"]) == {"forward", "backward"}
    total = sum(phase["net_j"] for phase in body["phases"].values())
    assert total == pytest.approx(body["net_j"]["mean"], rel=1e-6)


def causes_of(capture, **options):
    return {cause.partition(":")[0] for cause in measured(capture, **options).causes}


def test_an_unwired_marker_line():
    assert "no_edges" in causes_of(replace(made(), logic=np.zeros(len(made()), np.uint8)))


def test_a_run_without_its_preamble():
    assert "no_preamble" in causes_of(made(preamble=0))


def test_a_wrong_number_of_regions():
    capture = made((1000, 3000), (BUSY_A,) * 2)
    assert "edge_count" in causes_of(capture)


def test_lost_samples():
    capture = made()
    capture.current_a[7000:7003] = np.nan
    assert causes_of(capture) == {"lost_samples"}


def test_a_loss_of_whole_turns_of_the_counter_is_seen_by_the_clock():
    capture = made()
    inside = 300 + 300 + IDLE + 1000 + 200 + 500
    keep = np.r_[0:inside, inside + 64 : len(capture)]
    short = replace(capture, current_a=capture.current_a[keep], logic=capture.logic[keep],
                    range_index=capture.range_index[keep], saturated=capture.saturated[keep])
    assert causes_of(short) == {"clock"}


def test_a_meter_whose_clock_drifts_is_fitted():
    lengths = (100_000, 300_000, 200_000)
    found = align.find(made(lengths), 3, durations_s=np.array(lengths) / RATE / (1 + 150e-6))
    assert found.causes == () and found.clock.drift_ppm == pytest.approx(150, abs=5)


@pytest.mark.parametrize("seed", range(8))
def test_long_regions_of_nearly_one_length_fit_whatever_their_edges_do(seed):
    rng = np.random.default_rng(seed)
    device_s = 0.64 + rng.exponential(0.005, 20)
    meter_s = device_s + 50e-6 + rng.normal(0, 5e-6, 20)
    assert np.abs(align.fit_clock(meter_s, device_s).residual_s).max() < 30e-6
    meter_s[7] -= 640e-6
    assert np.argmax(np.abs(align.fit_clock(meter_s, device_s).residual_s)) == 7
    assert align.fit_clock(meter_s, device_s).residual_s[7] == pytest.approx(-640e-6, abs=30e-6)


def test_saturation():
    capture = made()
    capture.saturated[6500] = True
    assert causes_of(capture) == {"saturation"}


def test_unknown_voltage():
    assert causes_of(replace(made(), volts=None)) == {"unknown_voltage"}


def test_usb_on_the_measured_rail_in_source_mode_only():
    assert causes_of(replace(made(), usb_on_rail=True, mode="source")) == {"usb_on_rail"}
    assert causes_of(replace(made(), usb_on_rail=True, mode="ampere")) == set()


def test_a_drifting_baseline():
    capture = made()
    capture.current_a[-IDLE:] += 0.0005
    assert causes_of(capture) == {"baseline_drift"}


def test_switching_ranges_is_normal_and_unsettled_samples_are_not():
    capture = made()
    first = align.find(capture, 3).regions[1].first
    for at in range(first + 100, first + 2900, 40):
        capture.range_index[at : at + 20] = 3
        capture.range_index[at + 20 : at + 40] = 2
    assert causes_of(capture) == set()
    for at in range(first + 100, first + 2900, 20):
        capture.current_a[at] *= 1.5
    assert causes_of(capture) == {"range_switching"}


def test_stray_bytes_make_it_invalid():
    assert causes_of(replace(made(), problems=("the stream began with 2 stray bytes",))) == {"stream"}


def test_no_idle_before_and_after():
    capture = made()
    first = align.find(capture, 3).regions
    assert "no_baseline" in {
        cause.partition(":")[0]
        for cause in energy.measure(capture, align.find(capture.cut(0, first[-1].last + 1), 3), idle_s=0.0).causes
    }


def test_verdicts():
    result = measured(made((1000,) * 3), (1000,) * 3)
    net_uj = 3.0 * (BUSY_A - IDLE_A) * 0.01 * 1e6
    assert verdict.judge(result, max_uj=net_uj * 1.01).outcome == "PASS"
    assert verdict.judge(result, max_uj=net_uj * 0.99).outcome == "FAIL"
    assert verdict.judge(result, baseline_uj=net_uj * 0.98, tolerance=0.05).outcome == "PASS"
    assert verdict.judge(result, baseline_uj=net_uj * 0.9, tolerance=0.05).outcome == "FAIL"
    assert verdict.judge(replace(result, causes=("lost_samples: 3",)), max_uj=1e9).outcome == "INVALID"
    assert verdict.judge(None, max_uj=1e9).outcome == "INVALID"


def test_a_and_b_differ_or_not():
    rng = np.random.default_rng(5)
    a = rng.normal(100, 1, 40)
    assert not verdict.compare(a, rng.normal(100, 1, 40)).significant
    better = verdict.compare(a, rng.normal(97, 1, 40))
    assert better.significant and better.change == pytest.approx(-0.03, abs=0.008)


def test_t_quantiles_are_those_of_the_tables():
    # Abramowitz and Stegun, table 26.10
    for freedom, value in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)):
        assert t_quantile(0.975, freedom) == pytest.approx(value, abs=6e-4)
    assert t_quantile(0.975, 100_000) == pytest.approx(1.95996, abs=1e-3)


def test_a_known_variance_is_in_the_interval_whatever_a_few_values_show():
    """Lengths counted in whole samples: five alike say nothing of the 0.15 of a sample that they all lack."""
    alike, none = np.full(5, 218.0), np.zeros(5)
    assert difference(alike, none).ci == 0
    found = difference(alike, none, (1 / 6, 0.0))
    assert found.ci == pytest.approx(1.96 * (1 / 30) ** 0.5, rel=1e-3)
    scattered = difference(np.array([210.0, 214, 218, 222, 226]), none)
    assert difference(np.array([210.0, 214, 218, 222, 226]), none, (1 / 6, 0.0)).ci == pytest.approx(scattered.ci)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(2000):
        found = estimate(rng.normal(5, 2, 6))
        hits += abs(found.mean - 5) <= found.ci
    assert 1865 <= hits <= 1935


def test_outliers_leave():
    values = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 9.0])
    assert without_outliers(values).tolist() == [True] * 5 + [False]
