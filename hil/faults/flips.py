# SPDX-License-Identifier: Apache-2.0
"""Bits that flip in blocks and commands on their way between board and card, and in what the card remembers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from board import Place, Story
from power import differs

_FLIPS_A_RUN = 500
# blocks between two flips of a kind: each meets a transfer of its own, so that each must be noticed by itself
_APART = 9
_BLOCK_BITS, _CHECKED_BITS, _COMMAND_BITS = 512 * 8, 514 * 8, 48
# what a card reads before the first step: partition, trailers of both slots
_FIRST = 12


def flip(place: Place, clean: Story, flips: int, rng: random.Random, say: Callable[[str], None]) -> dict[str, int]:
    """`{"bit_flips","undetected","wrong_weights"}` of as many runs as `flips` take.

    Every flip must show in the board's counters of what it had to do again, or in an error that it reports.
    """
    total = {"bit_flips": 0, "undetected": 0, "wrong_weights": 0}
    while total["bit_flips"] < flips:
        story = place.run(_schedule(min(_FLIPS_A_RUN, flips - total["bit_flips"]), rng))
        total["bit_flips"] += story.flips_met
        total["undetected"] += max(0, story.flips_met - noticed(story))
        total["wrong_weights"] += differs(story, clean)
        say(f"{total['bit_flips']} of {flips} bit flips")
    return total


def noticed(story: Story) -> int:
    """Transfers and pages that were made again, and errors that were reported."""
    errors = sum(event["event"] == "error" for event in story.events)
    return sum(story.done[name] for name in ("retries", "card_retries", "data_retries")) + errors


def _schedule(flips: int, rng: random.Random) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = []
    read = written = _FIRST
    while len(faults) < flips:
        read, written = read + _APART, written + _APART
        forgotten = rng.random() < 0.5
        faults += [
            _flip("sd_blocks_read", read, rng.randrange(_BLOCK_BITS if forgotten else _CHECKED_BITS), silent=forgotten),
            _flip("sd_blocks_written", written, rng.randrange(_CHECKED_BITS), way="write"),
            _flip("sd_blocks_written", written + _APART // 2, rng.randrange(_COMMAND_BITS), way="command"),
        ]
    return faults[:flips]


def _flip(counter: str, at: int, bit: int, **more: Any) -> dict[str, Any]:
    return {"fault": "sd_bit_flip", "after": {counter: at}, "bit": bit, **more}
