# SPDX-License-Identifier: GPL-2.0-or-later
"""A representative hundred of MicroPython's own tests, over the serial port (`make board-suite` runs them all)."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

DISTRIBUTION = pathlib.Path(__file__).resolve().parents[2]
TESTS = DISTRIBUTION.parents[1] / "build" / "micropython" / "tests"


@pytest.mark.slow
def test_a_hundred_of_micropythons_own_tests_pass(firmware_hex, tmp_path):
    verdicts_file = tmp_path / "verdicts.json"
    command = [sys.executable, DISTRIBUTION / "board_suite", "--image", firmware_hex, "--tests", TESTS,
               "--list", DISTRIBUTION / "board_suite" / "representative.txt", "--jobs", "2", "--json", verdicts_file]
    path = os.pathsep.join(filter(None, [str(DISTRIBUTION), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280,
                          env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stdout
    verdicts = json.loads(verdicts_file.read_text())
    assert len(verdicts["passed"]) >= 100, verdicts["skipped"]
