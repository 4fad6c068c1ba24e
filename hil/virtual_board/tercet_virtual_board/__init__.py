# SPDX-License-Identifier: GPL-2.0-or-later
"""An nRF52840 development board with SD card, power meter and debug probe, as a process that speaks their wires."""

__version__ = "0.1.0"
