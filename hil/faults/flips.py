# SPDX-License-Identifier: Apache-2.0
"""Bits that flip in blocks and commands on their way between board and card, and in pages that the card remembers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

from board import Place, Story
from power import differs

# kind: (counter, blocks between two flips, flips a run). A run has flips of one kind, each meets a transfer of its own, so that
# each must be noticed by itself; two in a row leave the last of three attempts.
_KINDS = {
    "read": ("sd_blocks_read", 9, 400), "write": ("sd_blocks_written", 9, 150), "command": ("sd_blocks_read", 24, 150),
    "forgotten": ("sd_blocks_read", 60, 50),
}  # fmt: skip
_BITS = {"read": 514 * 8, "forgotten": 512 * 8, "write": 514 * 8, "command": 48}
# how many blocks the pages of the job have: of these every bit is used
_PAGE_BLOCKS = 2
# what a card reads before the first step: partition, trailers of both slots
_FIRST = 12


def flip(place: Place, clean: Story, flips: int, rng: random.Random, say: Callable[[str], None]) -> dict[str, int]:
    """`{"bit_flips","undetected","wrong_weights"}` of as many runs as `flips` take.

    Every flip must show in the board's counters of what it had to do again, or in an error that it reports.
    """
    total = {"bit_flips": 0, "undetected": 0, "wrong_weights": 0}
    share = min(1.0, flips / sum(count for _, _, count in _KINDS.values()))
    for kind in itertools.cycle(_KINDS):
        if total["bit_flips"] >= flips:
            break
        story = place.run(_schedule(kind, share, clean.page_block, rng))
        total["bit_flips"] += story.flips_met
        total["undetected"] += max(0, story.flips_met - noticed(story))
        total["wrong_weights"] += differs(story, clean)
        say(f"{total['bit_flips']} of {flips} bit flips")
    return total


def noticed(story: Story) -> int:
    """Transfers and pages that were made again, and errors that were reported."""
    errors = sum(event["event"] == "error" for event in story.events)
    return sum(story.done[name] for name in ("retries", "card_retries", "data_retries")) + errors


def _schedule(kind: str, share: float, page_block: int, rng: random.Random) -> list[dict[str, Any]]:
    """The flips of a run, or a share of them; the pages begin at `page_block`."""
    counter, apart, count = _KINDS[kind]
    faults = []
    for number in range(1, round(share * count) + 1):
        # not in step with the pages, behind each of which the card reads a block ahead in vain
        after = {counter: _FIRST + apart * number + rng.randrange(3)}
        fault = {"fault": "sd_bit_flip", "after": after, "bit": rng.randrange(_BITS[kind])}
        if kind == "forgotten":
            fault |= {"silent": True, "block": page_block + rng.randrange(_PAGE_BLOCKS)}
        elif kind != "read":
            fault["way"] = kind
        faults.append(fault)
    return faults
