# SPDX-License-Identifier: Apache-2.0
"""Every fault of the card, and losses of power, amid a training with pages: the same faults file gives the same run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import board_process
import pytest
import repeated_runs
from small_job import TARGET, job
from tercet.train.job import Settings

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
SETTINGS = Settings(60, report_every=20, checkpoint_every=5, evaluate=False, at_boot=True)
UNTIL_MS = 60_000  # asleep for most of it: after an error the board waits for ten seconds


def moments(other: Path) -> list[dict[str, Any]]:
    """The faults; each comes a while after the one before it."""
    faults: list[dict[str, Any]] = [
        {"fault": "sd_bit_flip", "way": "write", "bit": 1000}, {"fault": "sd_bit_flip", "bit": 77},
        {"fault": "sd_bit_flip", "way": "command"},
        {"fault": "sd_stall", "for_ms": 250}, {"fault": "sd_refuse_write"}, {"fault": "brown_out"},
        {"fault": "power_cut", "for_ms": 3}, {"fault": "sd_bit_flip", "silent": True, "bit": 9},
    ]  # fmt: skip
    counted = [{**fault, "after": {"sd_blocks_written": 20 + 9 * i}} for i, fault in enumerate(faults)]
    gone = [{"fault": "sd_timeout", "at_ms": 700, "for_ms": 900}, {"fault": "sd_removed", "at_ms": 12_000, "for_ms": 400}]
    return [*counted, *gone, {"fault": "sd_swapped", "at_ms": 12_500, "image": str(other)}]


def test_a_faults_file_replays_under_any_load(tmp_path: Path) -> None:
    image = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
    order = job("frugal", {"name": "momentum", "rate": 0.1}, settings=SETTINGS)[2]
    place, other = repeated_runs.Deployed(tmp_path, image, order, TARGET), tmp_path / "other.img"
    faults = moments(other)
    first = place.run("first", UNTIL_MS, faults)
    other.unlink()  # an empty card again
    with repeated_runs.host_load(2):
        assert place.run("again", UNTIL_MS, faults) == first
    assert len(first["happened"]) == len(faults)
    place.run("clean", UNTIL_MS)
    assert place.result("first") == place.result("clean"), "what went wrong must not show in the weights"
    assert place.result("clean")[0] == ["lib", "tercet"], "the job was done and its start removed"
