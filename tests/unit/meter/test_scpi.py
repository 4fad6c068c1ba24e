# SPDX-License-Identifier: Apache-2.0
"""The SCPI driver against pyvisa's simulated instruments."""

from types import SimpleNamespace

import numpy as np
import pytest
from tercet.errors import InputError, MeterError
from tercet.measure import align, energy
from tercet.meter.base import open_meter

pytest.importorskip("pyvisa_sim", reason="pyvisa-sim is not installed: pip install pyvisa pyvisa-sim")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:read string:UserWarning"
)
RATE = 20_000.0


def trace():
    """Currents and levels of a run with two regions of 20 ms."""
    current, level = [], []

    def add(samples, amperes, high):
        current.extend([amperes] * samples)
        level.extend([high] * samples)

    add(100, 0.002, 0)
    for _ in range(3):
        add(10, 0.002, 1)
        add(10, 0.002, 0)
    add(1000, 0.002, 0)
    for _ in range(2):
        add(400, 0.006, 1)
        add(100, 0.002, 0)
    add(1000, 0.002, 0)
    return current, level


@pytest.fixture
def instrument(tmp_path):
    current, level = trace()
    answers = {"*IDN?": "MAKER,ANALYSER,1,1.0", "CURR?": ",".join(map(str, current)), "DIG?": ",".join(map(str, level)),
               "SHORT?": "1,2", "BAD?": "1,two", "VOLT?": ",".join(["3.1"] * len(current))}
    dialogues = "".join(f"      - q: {q!r}\n        r: {r!r}\n" for q, r in answers.items())
    dialogues += "".join(f"      - q: {q!r}\n" for q in ("INIT", "ABOR", "CONF", "OUTP ON"))
    (tmp_path / "sim.yaml").write_text(
        "spec: '1.0'\ndevices:\n  meter:\n    eom:\n      TCPIP INSTR:\n        q: \"\\n\"\n        r: \"\\n\"\n"
        f"    dialogues:\n{dialogues}resources:\n  TCPIP0::bench::inst0::INSTR:\n    device: meter\n"
    )

    def make(port="TCPIP0::bench::inst0::INSTR", mode="ampere", volts=3.0, **options):
        settings = {"backend": f"{tmp_path / 'sim.yaml'}@sim", "rate_hz": RATE, "start": "INIT", "stop": "ABOR",
                    "setup": ["CONF"], "current": "CURR?", "logic": "DIG?", "timeout_s": 0.5, **options}
        options = {name: value for name, value in settings.items() if value is not None}
        return SimpleNamespace(kind="scpi", port=port, mode=mode, volts=volts, rail="VDD", card_on_rail=False, usb_on_rail=False,
                               options=options)

    return make


def captured(wiring):
    meter = open_meter(wiring)
    try:
        meter.start()
        assert meter.wait(5, 500, 1.0) == 5
        return meter.stop()
    finally:
        meter.close()


def test_a_log_becomes_a_capture(instrument):
    found = captured(instrument())
    current, level = trace()
    assert np.allclose(found.current_a, current) and found.logic.tolist() == level
    assert found.meter == "MAKER,ANALYSER,1,1.0" and found.provenance == "modelled"
    result = energy.measure(found, align.find(found, 2))
    assert result.valid and result.net.mean == pytest.approx(3.0 * 0.004 * 0.02)


def test_a_measured_voltage_takes_the_place_of_the_stated_one(instrument):
    found = captured(instrument(volts=None, voltage="VOLT?"))
    assert found.volts == pytest.approx(3.1)


def test_a_bench_that_does_not_say_enough(instrument):
    with pytest.raises(InputError, match="needs logic"):
        open_meter(instrument(logic=None))
    with pytest.raises(InputError, match="colour"):
        open_meter(instrument(colour="red"))


def test_an_instrument_that_is_not_there_or_talks_nonsense(instrument):
    with pytest.raises(MeterError, match="nowhere"):
        open_meter(instrument(port="TCPIP0::nowhere::inst0::INSTR"))
    meter = open_meter(instrument(current="BAD?"))
    meter.start()
    with pytest.raises(MeterError, match="no numbers"):
        meter.stop()
    meter.close()
    meter = open_meter(instrument(current="SHORT?"))
    meter.start()
    with pytest.raises(MeterError, match="2 currents"):
        meter.stop()
    meter.close()


def test_source_mode_switches_the_supply(instrument):
    open_meter(instrument(mode="source", power_on="OUTP ON")).close()
    with pytest.raises(MeterError, match="power_on"):
        open_meter(instrument(mode="source"))
