# SPDX-License-Identifier: Apache-2.0
"""Power cuts at random instants of virtual time: while the board starts, trains, pages, writes a checkpoint."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from board import Place, Story

# from nothing to the next cut; a start takes about 450 ms of it
_LONGEST_GAP_MS = 1200.0
_CUTS_A_RUN = 25


def cut(place: Place, clean: Story, cuts: int, rng: random.Random, say: Callable[[str], None]) -> dict[str, int]:
    """`{"power_cuts","checkpoints_lost","resumes_differ"}` of as many runs as `cuts` take.

    A checkpoint is lost when the board told of it and then went on from an earlier one. A run differs when any of its
    checkpoints or its last weights have other bits than those of the run that nothing disturbed.
    """
    total = {"power_cuts": 0, "checkpoints_lost": 0, "resumes_differ": 0}
    while total["power_cuts"] < cuts:
        story = place.run(_schedule(min(_CUTS_A_RUN, cuts - total["power_cuts"]), rng))
        total["power_cuts"] += story.count("power_cut")
        total["checkpoints_lost"] += lost(story.events)
        total["resumes_differ"] += differs(story, clean)
        say(f"{total['power_cuts']} of {cuts} power cuts")
    return total


def _schedule(cuts: int, rng: random.Random) -> list[dict[str, Any]]:
    faults, at_ms = [], 0.0
    for _ in range(cuts):
        at_ms += rng.uniform(0, _LONGEST_GAP_MS)
        off_ms = rng.choice((1, 5, 20))
        faults.append({"fault": "power_cut", "at_ms": at_ms, "for_ms": off_ms})
        at_ms += off_ms
    return faults


def lost(events: list[dict[str, Any]]) -> int:
    """How often the board went on from a step before its last checkpoint."""
    count = newest = 0
    resumed = 0
    for event in events:
        if event["event"] == "resumed":
            resumed = event["step"]
        elif event["event"] == "ready":
            count += resumed < newest
            resumed = 0
        elif event["event"] == "checkpoint":
            newest = event["step"]
    return count


def differs(story: Story, clean: Story) -> bool:
    """Whether any bit of what a run kept or ended with is another."""
    expected = clean.checkpoints()
    kept = (event for event in story.events if event["event"] == "checkpoint")
    return story.done["digest"] != clean.done["digest"] or any(expected[event["step"]] != event["crc"] for event in kept)
