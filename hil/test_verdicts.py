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
    return [{**fault, "at_ms": milliseconds, "every_ms": milliseconds}]


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
    # a region is shorter than the board says; or what is gone was the pause between two, or a part of the preamble
    "a whole turn of the counter lost": (
        {"faults": every(60, {"fault": "meter_lost", "count": 64})}, ("clock", "edge_count", "no_preamble")),
    "a clock that is far off": ({"faults": [{"fault": "clock_drift", "at_ms": 1, "ppm": 9000}]}, "clock"),
    "an unknown voltage": ({"settings": 'mode = "ampere"'}, "unknown_voltage"),
    "USB on the rail of a sourcing meter": (
        {"settings": 'mode = "source"\nvolts = 3.0\nusb_on_rail = true'}, "usb_on_rail"),
    # more regions than were run; or a false edge fell among the pulses that begin the run
    "edges that no region made": (
        {"faults": every(7, {"fault": "marker_stuck", "for_ms": 0.5})}, ("edge_count", "no_preamble")),
    "a preamble in pieces": ({"faults": every(3, {"fault": "marker_stuck", "for_ms": 2.6})}, "no_preamble"),
    "a marker line that does not move": ({"faults": [{"fault": "marker_stuck", "at_ms": 1}]}, "no_edges"),
    "a marker line that is always high": ({"faults": [{"fault": "marker_stuck", "at_ms": 1, "level": 1}]}, "no_edges"),
    "more than the meter carries": ({"faults": [{"fault": "meter_load", "at_ms": 1, "ua": 1_200_000}]}, "saturation"),
    "spikes after range switches": (
        {"body": "meter.run('for _ in range(3): sleep_ms(1)', regions=8)",
         "faults": [{"fault": "meter_load", "at_ms": 1, "ua": 2500}, {"fault": "meter_overshoot", "at_ms": 1, "share": 3}]},
        "range_switching"),
    # what else is on the rail draws 3 % more every 50 ms, and falls back every 6 s, which is longer than the run
    "a baseline that drifts": (
        {"body": "meter.run('sleep_ms(40)', regions=8)",
         "faults": [
             {"fault": "meter_load", "at_ms": at, "ua": 300 * 1.03 ** (at / 50), "every_ms": 6000}
             for at in range(50, 6050, 50)]},
        "baseline_drift"),
    "a meter that fell silent": ({"faults": [{"fault": "meter_silent", "at_ms": 1}]}, "does not answer"),
    "a meter that is not there": ({"meter": "/dev/null-meter"}, "cannot be opened"),
    "a board that crashes": (
        {"body": "meter.run('while True: print(50 * chr(120))', regions=2)",
         "faults": [{"fault": "brown_out", "after": {"console_bytes": 6000}}]}, "started anew"),
    "a test that measures nothing": ({"body": "pass"}, "nothing was measured"),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUSES)
def test_it_is_invalid(verdict, name):
    options, cause = CAUSES[name]
    found = verdict(**options)
    assert found["outcome"] == "invalid", found
    causes = cause if isinstance(cause, tuple) else (cause,)
    assert any(cause in found["reason"] for cause in causes), found
