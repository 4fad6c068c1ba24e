# SPDX-License-Identifier: GPL-2.0-or-later
"""The distribution and the helpers beside the tests are importable; boards as processes are in wires/."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from bare_bench import bench, build_image  # noqa: E402, F401 - fixtures
