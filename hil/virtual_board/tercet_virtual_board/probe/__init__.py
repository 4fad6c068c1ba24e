# SPDX-License-Identifier: GPL-2.0-or-later
"""The debug probe: pyOCD's TCP probe protocol over a model of the chip's debug and access ports."""

from .server import ProbeServer
from .target import BusFault, DebugTarget

__all__ = ["BusFault", "DebugTarget", "ProbeServer"]
