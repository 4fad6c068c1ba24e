# SPDX-License-Identifier: Apache-2.0
"""The PPK2 driver against a unit whose currents are known: calibration, losses, stray bytes, silence."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from tercet import capture as captures
from tercet.errors import ArtifactError, InputError, MeterError
from tercet.meter import ppk2_format
from tercet.meter.base import open_meter

from .ppk2_unit import Unit, adc_for, stream_of, word

CURRENTS = np.tile([0.001, 0.002, 0.003, 0.004], 5000)
LOGIC = np.repeat([0, 1, 0, 1, 0, 1, 0, 1, 0, 0], 2000)


def wiring(port, **changes):
    base = {"kind": "ppk2", "port": port, "mode": "ampere", "volts": 3.0, "rail": "VDD", "card_on_rail": False}
    return SimpleNamespace(**{**base, "usb_on_rail": False, "options": {}, **changes})


@pytest.fixture
def unit():
    units = []

    def make(*args, **options):
        units.append(Unit(*args, **options))
        return units[-1]

    yield make
    for made in units:
        made.close()


def captured(made, edges=4, **changes):
    meter = open_meter(wiring(made.port, **changes))
    try:
        meter.start()
        meter.wait(edges, 1000, 5.0)
        return meter.stop()
    finally:
        meter.close()


def test_currents_and_levels_are_those_of_the_unit(unit):
    found = captured(unit(stream_of(CURRENTS, LOGIC)))
    assert len(found) == len(CURRENTS) and found.lost_samples == 0
    step = 1.8 / 163840 * 4 / 10.15
    assert np.abs(found.current_a - CURRENTS).max() < step
    assert np.array_equal(found.logic, LOGIC)
    assert found.provenance == "modelled" and found.volts == 3.0


def test_wait_counts_the_edges_and_waits_for_the_tail(unit):
    made = unit(stream_of(CURRENTS, LOGIC))
    meter = open_meter(wiring(made.port))
    meter.start()
    assert meter.wait(4, 3000, 5.0) == 4
    assert meter.wait(5, 10, 0.3) == 4
    meter.stop()
    meter.close()


def test_metadata_in_pieces_behind_stale_samples_and_without_numbers(unit):
    stale = stream_of(CURRENTS[:300], LOGIC[:300])
    made = unit(stream_of(CURRENTS, LOGIC), metadata_pieces=40, stale=stale, values={"GS2": "-nan"})
    found = captured(made)
    # GS2 is no number: the default 1 takes its place
    x = 4 * adc_for(0.004, 2) * (1.8 / 163840) / 10.15
    assert found.current_a.max() == pytest.approx(x * (x + 1), rel=1e-6)


def test_the_law_with_every_constant():
    keys = {"R": 10.1, "GS": 17.0, "GI": 0.96, "O": 65.0, "S": 5e-6, "I": 3.5e-5, "UG": 1.02}
    text = "\n".join([f"{key}2: {value}" for key, value in keys.items()])
    samples = ppk2_format.decode(struct.pack("<I", word(2000, 2, 0, 0)), ppk2_format.parse_metadata(text), 3.0)
    x = (4 * 2000 - 65.0) * (1.8 / 163840) / 10.1
    assert samples.current_a[0] == pytest.approx(1.02 * (x * (17.0 * x + 0.96) + 5e-6 * 3.0 + 3.5e-5), rel=1e-6)


def test_lost_samples_leave_their_gap_in_time(unit):
    whole = stream_of(CURRENTS, LOGIC)
    cut = whole[: 4 * 7000] + whole[4 * 7017 :]
    found = captured(unit(cut))
    assert len(found) == len(CURRENTS) and found.lost_samples == 17
    assert np.flatnonzero(np.isnan(found.current_a)).tolist() == list(range(7000, 7017))
    assert np.array_equal(found.logic, LOGIC)


def test_stray_bytes_at_the_start_are_reported(unit):
    found = captured(unit(b"\x01\x02" + stream_of(CURRENTS, LOGIC)))
    assert len(found) == len(CURRENTS) and "stray" in found.problems[0]


def test_a_full_scale_sample_is_saturated():
    data = struct.pack("<2I", word(16383, 4, 0, 0), word(100, 4, 1, 0))
    found = ppk2_format.decode(data, ppk2_format.parse_metadata("R0: 1031.64"), 3.0)
    assert found.saturated.tolist() == [True, False] and found.range_index.tolist() == [4, 4]


def test_a_silent_meter_is_an_error(unit, monkeypatch):
    monkeypatch.setattr("tercet.meter.ppk2._ANSWER_S", 0.3)
    with pytest.raises(MeterError, match="does not answer"):
        open_meter(wiring(unit(silent=True).port))


def test_a_missing_meter_is_named():
    with pytest.raises(MeterError, match="/dev/no-meter"):
        open_meter(wiring("/dev/no-meter"))
    with pytest.raises(MeterError, match="ABC"):
        open_meter(wiring("usb:ABC"))


def test_source_mode_sets_voltage_and_power(unit):
    made = unit(stream_of(CURRENTS, LOGIC))
    captured(made, mode="source", volts=3.3)
    order = [made.commands.index(command) for command in (b"\x11\x02", b"\x0d" + struct.pack(">H", 3300), b"\x0c\x01")]
    assert order == sorted(order)
    with pytest.raises(MeterError, match="volts"):
        open_meter(wiring(unit().port, mode="source", volts=None))


def test_a_meter_that_goes_away_is_an_error(unit):
    made = unit(b"")
    meter = open_meter(wiring(made.port))
    meter.start()
    made.close()
    with pytest.raises(MeterError, match="went away"):
        meter.wait(1, 1, 5.0)
    meter.close()


def test_a_capture_survives_the_disk_and_damage_is_refused(unit, tmp_path):
    found = captured(unit(stream_of(CURRENTS, LOGIC)))
    path = captures.save(found, tmp_path / "capture.npz")
    again = captures.load(path)
    assert np.array_equal(found.current_a, again.current_a) and np.array_equal(found.logic, again.logic)
    assert (again.volts, again.rail, again.meter) == (found.volts, found.rail, found.meter)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArtifactError):
        captures.load(path)
    with pytest.raises(InputError):
        captures.load(tmp_path / "none.npz")


def test_a_recording_stands_in_for_its_meter(unit, tmp_path):
    path = captures.save(captured(unit(stream_of(CURRENTS, LOGIC))), tmp_path / "capture.npz")
    meter = open_meter(wiring(str(path), kind="recorded"))
    meter.start()
    assert meter.wait(4, 0, 0) == 4
    assert len(meter.stop()) == len(CURRENTS)
