# SPDX-License-Identifier: GPL-2.0-or-later
"""The distribution and the helpers beside the tests are importable; boards as processes are in wires/."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import pytest  # noqa: E402
from bare_bench import bench, build_image  # noqa: E402, F401 - fixtures
from tercet_virtual_board.sd import Medium  # noqa: E402


@pytest.fixture
def medium(tmp_path):
    """An empty card of 8 MB."""
    medium = Medium(tmp_path / "sd.img", 8)
    yield medium
    medium.close()
