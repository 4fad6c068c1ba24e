# SPDX-License-Identifier: GPL-2.0-or-later
"""An SD card in SPI mode over an image file."""

from tercet_virtual_board.sd.card import Card
from tercet_virtual_board.sd.medium import Medium
from tercet_virtual_board.sd.profile import PROFILES, Profile

__all__ = ["PROFILES", "Card", "Medium", "Profile"]
