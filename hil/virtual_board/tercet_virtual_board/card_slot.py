# SPDX-License-Identifier: GPL-2.0-or-later
"""The card slot on SPIM3."""

from tercet_virtual_board.engine import Chip
from tercet_virtual_board.options import Options


class CardSlot:
    """Nothing in it yet."""

    def __init__(self, chip: Chip, options: Options):
        self.path = None
        chip.connect(self._transfer, self._pin, 0)

    def _transfer(self, cycle, bus, pins, sent, received, cycles_per_byte) -> None:
        del cycle, bus, pins, sent, received, cycles_per_byte

    def _pin(self, cycle, pin, level) -> None:
        del cycle, pin, level

    def was_used(self) -> bool:
        """Whether the card was used since the last call."""
        return False

    def close(self) -> None:
        """Closes the image."""
