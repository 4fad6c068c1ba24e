# SPDX-License-Identifier: GPL-2.0-or-later
"""The card slot: CS P1.12, MOSI P1.13, MISO P1.14, SCK P1.15, on whichever SPI instance uses these pins."""

import json
from collections.abc import Callable
from pathlib import Path

from tercet_virtual_board.engine import Chip
from tercet_virtual_board.options import Options
from tercet_virtual_board.sd import PROFILES, Card, Medium
from tercet_virtual_board.sd.sampling import seen

CS, MOSI, MISO, SCK = 44, 45, 46, 47  # P1.00 is 32


class CardSlot:
    """Wires the card to the chip. `card` is None while the slot is empty."""

    def __init__(self, chip: Chip, options: Options):
        self._chip, self._options = chip, options
        self._selected = False
        self._used = False
        self._powered = True
        self.card: Card | None = None
        self.counters = {"sd_blocks_read": 0, "sd_blocks_written": 0}
        self.on_block: Callable[[], None] = lambda: None
        self.path: str | None = None
        chip.connect(self._transfer, self._pin, 1 << CS)
        if options.sd_profile != "none":
            self.insert_image(options.sd or options.state / "sd.img")

    def insert_image(self, image: Path | None = None) -> None:
        """Puts a card with this image in (created when missing); without an argument the one that was there last."""
        path = image or Path(self.path)
        self.insert(Medium(path, self._options.sd_mb))
        self.path = str(path.resolve())

    def _count(self, what: str) -> None:
        self.counters[what] += 1
        self.on_block()

    def insert(self, medium: Medium) -> None:
        """Puts a card in; it powers on at this moment."""
        self.remove()
        options = self._options
        high_capacity = options.sd_type == "sdhc" or medium.blocks > 1 << 22
        self.card = Card(medium, PROFILES[options.sd_profile], options.seed, high_capacity, options.sd_write_protected)
        self.card.on_current = self._current
        self.card.on_block = self._count
        self.card.power_on(self._chip.view().cycle)
        self._current(self.card.profile.idle_na, 0)

    def remove(self) -> None:
        """Takes the card out, whatever it is doing."""
        if self.card:
            self.card.medium.close()
            self._chip.call("card_current", 0, 0, 0)
        self.card = None

    def power(self, on: bool) -> None:
        """The card's supply is switched with the chip's."""
        self._powered = on
        if self.card:
            if not on:
                self.card.power_off(self._chip.view().cycle)
            self.card.power_on(self._chip.view().cycle)
            idle_na = self.card.profile.idle_na if on else 0
            self._chip.call("card_current", idle_na, 0, idle_na)

    def _current(self, na: int, until: int) -> None:
        self._chip.call("card_current", na, until, self.card.profile.idle_na)

    def _pin(self, cycle: int, pin: int, level: int) -> None:
        del cycle, pin
        self._selected = not level
        if self.card:
            self.card.select(level)

    def _transfer(self, cycle: int, bus: int, pins: list[int], sent: bytes, received, cycles_per_byte: int) -> None:
        del bus
        clock, mosi, miso, delay = pins
        self._used = True
        if not self.card or not self._powered or not self._selected or clock & 0x8000003F != SCK:
            return
        if mosi & 0x8000003F != MOSI:
            sent = b"\xff" * len(sent)
        answer = self.card.transfer(cycle, sent, cycles_per_byte)
        if miso & 0x8000003F == MISO:
            received[:] = seen(answer, cycles_per_byte, self.card.early, delay)

    def was_used(self) -> bool:
        """Whether the bus moved since the last call."""
        used, self._used = self._used, False
        return used

    def close(self) -> None:
        """Closes the image and writes down its wear."""
        if self.card:
            wear = {str(region): count for region, count in sorted(self.card.medium.wear.items())}
            report = {"region_bytes": 4 << 20, "blocks_written": wear}
            (self._options.state / "sd-wear.json").write_text(json.dumps(report) + "\n")
            self.card.medium.close()
