# SPDX-License-Identifier: GPL-2.0-or-later
"""The supply of chip and card, which the meter and injected faults switch."""

from tercet_virtual_board.card_slot import CardSlot
from tercet_virtual_board.engine import Chip


class Supply:
    """On or off, for chip and card together."""

    def __init__(self, chip: Chip, card_slot: CardSlot):
        self._chip, self._card_slot = chip, card_slot

    def switch(self, on: bool) -> None:
        """Switches; a chip that comes back has lost its RAM, a card its state."""
        self._chip.call("power", int(on))
        self._card_slot.power(on)
