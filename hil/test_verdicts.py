# SPDX-License-Identifier: Apache-2.0
"""Every cause of INVALID, provoked on a board of its own and told as an error: none passes, none is skipped."""

import json
from pathlib import Path

import pytest
from tercet.board import virtual
from tercet.farm import suite as suites

BENCH = """
[bench]
target = "nrf52840dk"
serial = "{serial}"
[meter]
kind = "ppk2"
port = "{meter}"
rail = "board"
{settings}
"""
TEST = """
import pytest

@pytest.mark.energy(max_uj={limit})
def test_it(meter, board):
    {body}
"""
SPIN = "meter.run('for _ in range(4000): pass', regions=8)"
VOLTS = 'mode = "ampere"\nvolts = 3.0'


@pytest.fixture
def verdict(tmp_path, monkeypatch, bench):
    """A function that runs one energy test on a fresh board and returns its entry of the JUnit file."""
    if bench.kind != "virtual":
        pytest.skip("faults are injected on virtual boards only: leave --bench out")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(body=SPIN, *, faults=(), settings=VOLTS, limit=1e6, serial=None, meter=None):
        file = tmp_path / "faults.jsonl"
        file.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
        with virtual.temporary(pace="max", faults=file if faults else None) as board:
            wires = {"serial": serial or board.serial, "meter": meter or board.meter}
            (tmp_path / "bench.toml").write_text(BENCH.format(settings=settings, **wires))
            inner = tmp_path / "inner"
            inner.mkdir()
            (inner / "test_inner.py").write_text(TEST.format(body=body, limit=limit))
            arguments = ("-p", "no:cacheprovider", f"--rootdir={inner}", f"--energy-dir={tmp_path / 'artefacts'}")
            result = suites.run(suites.Selection(inner, bench=tmp_path / "bench.toml", arguments=arguments))
        assert len(result["tests"]) == 1, result
        return result["tests"][0]

    return run


def every(milliseconds, fault):
    return [{**fault, "at_ms": at} for at in range(milliseconds, 30_000, milliseconds)]


def test_a_good_measurement_passes_and_leaves_its_artefact(verdict, tmp_path):
    found = verdict()
    assert found["outcome"] == "passed" and found["energy_verdict"] == "PASS"
    assert float(found["energy_uj"]) > 0 and found["energy_provenance"] == "modelled"
    artefact = json.loads(Path(found["energy_artifact"]).read_text())
    assert artefact["measurement"]["valid"] and (tmp_path / "artefacts" / artefact["plot"]).exists()


def test_too_much_energy_fails(verdict):
    found = verdict(limit=1)
    assert found["outcome"] == "failed" and "limit is 1 uJ" in found["reason"]


CAUSES = {
    "lost samples": ({"faults": every(40, {"fault": "meter_lost", "count": 5})}, "lost_samples"),
    "a whole turn of the counter lost": ({"faults": every(60, {"fault": "meter_lost", "count": 64})}, "clock"),
    "a clock that is far off": ({"faults": [{"fault": "clock_drift", "at_ms": 1, "ppm": 9000}]}, "clock"),
    "an unknown voltage": ({"settings": 'mode = "ampere"'}, "unknown_voltage"),
    "USB on the rail of a sourcing meter": (
        {"settings": 'mode = "source"\nvolts = 3.0\nusb_on_rail = true'}, "usb_on_rail"),
    "edges that no region made": (
        {"body": "meter.run('mem32[_c] = 1 << _b; sleep_us(300); mem32[_s] = 1 << _b; sleep_us(300)', regions=4)"}, "edge_count"),
    "a marker line that does not move": (
        {"body": "meter.run('pass', setup='_s = _c', regions=4)"}, "no_edges"),
    "a baseline that drifts": (
        {"body": "meter.run('for _ in range(400): pass', setup='from machine import Pin\\ndef sleep_ms(n, z=[0]):\\n"
         "    z[0] += 1\\n    t = ticks_us()\\n    while z[0] > 1 and ticks_diff(ticks_us(), t) < n * 1000: pass\\n"
         "    import time\\n    z[0] > 1 or time.sleep_ms(n)', regions=4)"}, "baseline_drift"),
    "a meter that does not answer": ({"meter": "/dev/null-meter"}, "cannot be opened"),
    "a board that crashes": (
        {"body": "meter.run('while True: pass', regions=2)", "faults": every(5000, {"fault": "brown_out"})}, "started anew"),
    "a test that measures nothing": ({"body": "pass"}, "nothing was measured"),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUSES)
def test_it_is_invalid(verdict, name):
    options, cause = CAUSES[name]
    found = verdict(**options)
    assert found["outcome"] == "invalid", found
    assert cause in found["reason"], found
