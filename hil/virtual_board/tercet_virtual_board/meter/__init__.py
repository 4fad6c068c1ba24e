# SPDX-License-Identifier: GPL-2.0-or-later
"""The power meter on the board's supply, as a Power Profiler Kit II speaks on its serial port."""

from .calibration import Calibration
from .ppk2 import SAMPLES_PER_S, Ppk2

__all__ = ["SAMPLES_PER_S", "Calibration", "Ppk2"]
