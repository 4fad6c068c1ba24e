# SPDX-License-Identifier: Apache-2.0
"""labgrid's own pytest fixtures, in labgrid's own environment, on a place of the loopback farm."""

import os
import subprocess

from tercet.farm import client
from tercet.farm.client import TAGS

ENVIRONMENT = """
targets:
  main:
    resources:
      RemotePlace: {name: farm0}
    drivers:
      TercetBoardDriver: {}
      TercetMeterDriver: {}
imports: [tercet.farm.labgrid_adapter]
"""
TESTS = """
import pytest

@pytest.fixture
def meter(target):
    return target.get_driver("TercetMeterDriver")

def test_the_board_answers(target):
    assert target.get_driver("TercetBoardDriver").board.eval("6 * 7") == 42

def test_energy_of_a_region(meter):
    metered = meter.regions("for _ in range(400): pass", 6)
    assert metered.measurement.valid and metered.capture.lost_samples == 0
    assert len(metered.measurement.regions) == 6 and metered.measurement.net.mean > 0
    assert meter.get_statistics()["samples"] == len(metered.capture)

def test_a_capture_by_hand(meter):
    meter.start()
    meter.driver.board.eval("1")
    assert len(meter.stop()) > 100
"""


def test_labgrids_own_fixtures_drive_board_and_meter(start_farm, tmp_path):
    farm = start_farm(1)
    token = farm.reserve(**TAGS)
    assert farm.acquire(token).name == "farm0"
    (tmp_path / "env.yaml").write_text(ENVIRONMENT)
    (tmp_path / "test_inner.py").write_text(TESTS)
    python = client.program("client").replace("labgrid-client", "python")
    words = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--lg-env", "env.yaml", "test_inner.py"]
    variables = {**os.environ, "LG_COORDINATOR": farm.coordinator}
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr
