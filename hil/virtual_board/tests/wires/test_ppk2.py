# SPDX-License-Identifier: GPL-2.0-or-later
"""The meter: its commands, its samples, and what happens to the output when the host goes away."""

import struct

import numpy as np
import ppk2_stream
import pytest
from tercet_virtual_board.meter import Ppk2

#: ADC steps of the ranges in microamperes, as the vendor's constants give them.
LSB_UA = (0.043, 0.43, 4.3, 46.8, 1020.0)


def streaming_meter(**options) -> Ppk2:
    meter = Ppk2(seed=7, **options)
    meter.feed_host_bytes(b"\x06")
    return meter


def read(meter: Ppk2, current_ua, logic=None, volts: float = 3.0) -> dict[str, np.ndarray]:
    current_ua = np.asarray(current_ua, dtype=float)
    logic = np.zeros(len(current_ua), np.uint8) if logic is None else logic
    constants = ppk2_stream.parse_metadata(meter.feed_host_bytes(b"\x19"))
    return ppk2_stream.decode(meter.push(current_ua, logic), constants, volts)


@pytest.mark.parametrize(("current_ua", "expected_range"), [(1.5, 0), (48, 0), (120, 1), (3_300, 2), (7_000, 3),
                                                            (58_000, 3), (95_000, 4), (400_000, 4)])
def test_a_quiet_meter_reads_back_within_half_a_step(current_ua, expected_range):
    seen = read(streaming_meter(noise=False), np.full(100, current_ua))
    assert set(seen["range"]) == {expected_range}
    assert np.abs(seen["current_ua"] - current_ua).max() < 0.62 * LSB_UA[expected_range]


def test_noise_is_unbiased_and_repeatable():
    current_ua = np.full(20_000, 3_333.0)
    first, second = (read(streaming_meter(), current_ua)["current_ua"] for _ in range(2))
    assert np.array_equal(first, second)
    assert first.std() > 1.0
    assert abs(first.mean() - 3_333.0) < 0.2


def test_a_reader_that_ignores_the_metadata_is_wrong():
    meter = streaming_meter(noise=False)
    stream = meter.push(np.full(50, 3_000.0), np.zeros(50, np.uint8))
    defaults = {"R": [1031.64, 101.65, 10.15, 0.94, 0.043], "UG": [1] * 5, "GI": [1] * 5}
    defaults |= {key: [0] * 5 for key in ("GS", "O", "S", "I")}
    naive = ppk2_stream.decode(stream, defaults, 3.0)["current_ua"]
    assert np.abs(naive / 3_000 - 1).min() > 0.01


def test_units_differ():
    texts = {Ppk2(seed=seed).feed_host_bytes(b"\x19") for seed in range(4)}
    assert len(texts) == 4


def test_ranges_switch_with_hysteresis_and_settle():
    ramp = np.concatenate((np.linspace(4_500, 5_500, 50), np.linspace(5_500, 3_900, 50)))
    quiet = read(streaming_meter(noise=False), ramp)
    up, down = ramp[quiet["range"] == 3][[0, -1]]
    assert 5_000 < up < 5_100 and 4_000 <= down < 4_100
    step = np.concatenate((np.full(100, 3_000.0), np.full(100, 9_000.0)))
    noisy = read(streaming_meter(), step)["current_ua"]
    assert noisy[100] < 8_000, "the first sample after a switch has not settled"
    assert abs(noisy[104:].mean() - 9_000) < 30


def test_pieces_give_the_same_samples_as_the_whole():
    rng = np.random.default_rng(3)
    current_ua = np.repeat(rng.choice([2.0, 300.0, 4_800.0, 5_300.0, 80_000.0], 400), 13)
    logic = rng.integers(0, 256, len(current_ua), dtype=np.uint8)
    whole = streaming_meter().push(current_ua, logic)
    meter, pieces = streaming_meter(), []
    for start in range(0, len(current_ua), 37):
        pieces.append(meter.push(current_ua[start : start + 37], logic[start : start + 37]))
    assert b"".join(pieces) == whole


def test_logic_levels_and_counter_ride_along():
    logic = np.arange(256, dtype=np.uint8)
    seen = read(streaming_meter(), np.full(256, 10.0), logic)
    assert np.array_equal(seen["logic"], logic)
    assert ppk2_stream.lost_samples(seen["counter"]) == 0


@pytest.mark.parametrize(("lost", "visible"), [(1, 1), (63, 63), (64, 0), (130, 2)])
def test_injected_losses_show_in_the_counter_except_multiples_of_64(lost, visible):
    meter = streaming_meter()
    first = meter.push(np.full(100, 10.0), np.zeros(100, np.uint8))
    meter.drop_samples(lost)
    second = meter.push(np.full(300, 10.0), np.zeros(300, np.uint8))
    assert len(first + second) == 4 * (400 - lost)
    assert ppk2_stream.lost_samples(np.frombuffer(first + second, "<u4") >> 18 & 63) == visible


def test_commands_may_arrive_byte_by_byte():
    meter = Ppk2(seed=7, noise=False)
    for byte in b"\xff\x11\x02\x0d" + (3300).to_bytes(2, "big") + b"\x0c\x01\x25\x02" + struct.pack("<f", 1.25):
        assert meter.feed_host_bytes(bytes([byte])) == b""
    assert (meter.mode, meter.source_mv, meter.power_on, meter.user_gains[2]) == ("source", 3300, True, 1.25)
    assert b"VDD: 3300" in meter.feed_host_bytes(b"\x19")
    meter.feed_host_bytes(b"\x06")
    seen = read(meter, np.full(10, 3_000.0), volts=3.3)["current_ua"]
    assert np.abs(seen - 1.25 * 3_000).max() < 4, "the gain is the host's to apply"


def test_source_mode_powers_the_board_and_drops_after_the_port_closes():
    power, volts = [], []
    meter = Ppk2(on_power=power.append, on_voltage=volts.append)
    meter.feed_host_bytes(b"\x11\x02\x0d\x0c\xe4\x0c\x01")
    assert power == [False, True] and volts == [3000, 3300]
    meter.port_closed()
    second = np.zeros(100_000)
    meter.push(second[:40_000], second[:40_000].astype(np.uint8))
    meter.port_opened()
    meter.push(second, second.astype(np.uint8))
    assert meter.power_on, "a host that comes back in time keeps the output"
    meter.port_closed()
    meter.push(second[:50_000], second[:50_000].astype(np.uint8))
    assert power == [False, True, False]


def test_an_ampere_meter_passes_the_supply_through():
    power = []
    meter = Ppk2(on_power=power.append)
    meter.port_closed()
    meter.push(np.zeros(200_000), np.zeros(200_000, np.uint8))
    assert meter.power_on and power == []


def test_reset_returns_to_the_defaults():
    meter = Ppk2()
    meter.feed_host_bytes(b"\x11\x02\x0c\x01\x0d\x0f\xa0\x06\x16\x20")
    assert (meter.mode, meter.power_on, meter.streaming, meter.source_mv, meter.spike_filter) == (
        "ampere", False, False, 3000, True)


def test_nothing_is_sent_unless_streaming_and_the_second_port_is_silent():
    meter = Ppk2()
    assert meter.push(np.full(10, 5.0), np.zeros(10, np.uint8)) == b""
    assert meter.feed_second_port(b"\x06\x19") == b"" and not meter.streaming


@pytest.mark.parametrize("drift_ppm", [500.0, -500.0])
def test_a_drifting_clock_changes_the_number_of_samples_without_gaps(drift_ppm):
    meter = streaming_meter()
    meter.drift_ppm = drift_ppm
    streams = [meter.push(np.full(1_000, 10.0), np.zeros(1_000, np.uint8)) for _ in range(100)]
    words = np.frombuffer(b"".join(streams), "<u4")
    assert len(words) == 100_000 + drift_ppm * 0.1
    assert ppk2_stream.lost_samples(words >> 18 & 63) == 0
