# SPDX-License-Identifier: Apache-2.0
"""The INA228's driver and the reader's own program, on MicroPython's unix port with a simulated chip."""

import os
import pty
import subprocess
import tty
from pathlib import Path
from types import SimpleNamespace

import pytest
from tercet.errors import InputError, MeterError
from tercet.measure import align, energy
from tercet.meter.base import open_meter

ROOT = Path(__file__).parents[3]
UNIX_PORT = ROOT / "build/firmware/unix/micropython"


@pytest.fixture
def reader():
    """A function that starts a reader whose chip has that device number, and returns the wiring of its port."""
    if not UNIX_PORT.exists():
        pytest.skip("MicroPython's unix port is not built: make firmware")
    running = []

    def start(device=0x2281, options=None):
        master, slave = pty.openpty()
        tty.setraw(slave)
        world = Path(__file__).with_name("ina228_world.py")
        words = [UNIX_PORT, world, ROOT / "device_lib/ina228_reader.py", str(device)]
        running.append((subprocess.Popen(words, stdin=master, stdout=master, stderr=subprocess.PIPE), master, slave))
        wiring = {"kind": "ina228", "port": os.ttyname(slave), "mode": "ampere", "volts": 3.0, "rail": "board"}
        return SimpleNamespace(**wiring, card_on_rail=True, usb_on_rail=False, options=options or {"shunt_ohm": 0.5})

    yield start
    for process, master, slave in running:
        process.kill()
        process.communicate()
        os.close(master)
        os.close(slave)


def test_regions_are_metered_through_the_reader(reader):
    meter = open_meter(reader())
    try:
        meter.start()
        assert meter.wait(5, 1000, 10.0) == 5
        capture = meter.stop()
    finally:
        meter.close()
    assert capture.meter == "INA228" and capture.provenance == "modelled" and capture.volts == pytest.approx(3.0, rel=1e-4)
    found = energy.measure(capture, align.find(capture, 2), idle_s=0.03)
    assert found.valid, found.causes
    assert found.duration.mean == pytest.approx(0.040, abs=1e-4)
    assert found.net.mean == pytest.approx(3.0 * 0.004 * 0.040, rel=0.02)
    assert found.baseline.current_a == pytest.approx(0.002, rel=1e-3)


def test_another_chip_and_a_silent_reader_are_refused(reader, monkeypatch):
    with pytest.raises(MeterError, match="no INA228"):
        open_meter(reader(device=0x2381))
    monkeypatch.setattr("tercet.meter.ina228._ANSWER_S", 0.3)
    master, slave = pty.openpty()
    wiring = SimpleNamespace(kind="ina228", port=os.ttyname(slave), options={"shunt_ohm": 0.5}, mode="ampere", volts=None)
    with pytest.raises(MeterError, match="does not answer"):
        open_meter(wiring)
    os.close(master)
    os.close(slave)


def test_a_record_that_is_missing_makes_the_measurement_invalid(reader):
    meter = open_meter(reader())
    meter.start()
    meter.wait(5, 1000, 10.0)
    records = bytes(meter._data)
    meter.stop()
    meter._data = bytearray(records[:1200] + records[1212:])
    capture = meter._capture(meter._records())
    meter.close()
    causes = energy.measure(capture, align.find(capture, 2), idle_s=0.03).causes
    assert any("1 gaps in the reader's records" in cause for cause in causes)


def test_a_bench_must_say_the_shunt():
    wiring = SimpleNamespace(kind="ina228", port="/dev/none", options={})
    with pytest.raises(InputError, match="shunt_ohm"):
        open_meter(wiring)
