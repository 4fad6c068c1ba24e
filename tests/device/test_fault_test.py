# SPDX-License-Identifier: Apache-2.0
"""A tenth of `make fault-test`, and that its judges can say no."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "hil" / "faults"


@pytest.mark.board
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tenth_of_the_power_cuts_and_bit_flips(tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    command = [sys.executable, str(FAULTS), "--tenth", "--seed", "2", "--json", str(counts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 2" in done.stdout
    rows = {row["name"]: row["value"] for row in json.loads(counts.read_text())}
    assert rows.pop("power_cuts") >= 100
    assert rows.pop("bit_flips") >= 1000
    assert rows == {"checkpoints_lost": 0, "resumes_differ": 0, "undetected": 0, "wrong_weights": 0}


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The judges of the power cuts."""
    monkeypatch.syspath_prepend(str(FAULTS))
    import power

    yield power
    for name in ("power", "board", "job"):
        sys.modules.pop(name, None)


def told(*events: tuple[str, int]) -> list[dict[str, Any]]:
    """Events of a run; a checkpoint's CRC is ten times its step."""
    return [{"event": event, "step": step, "crc": 10 * step, "digest": "right"} for event, step in events]


def test_a_lost_checkpoint_is_noticed(power: Any) -> None:
    assert power.lost(told(("ready", 0), ("checkpoint", 4), ("resumed", 4), ("ready", 0), ("checkpoint", 8))) == 0
    # power went between the write and the telling
    assert power.lost(told(("ready", 0), ("checkpoint", 4), ("resumed", 8), ("ready", 0))) == 0
    assert power.lost(told(("ready", 0), ("checkpoint", 4), ("checkpoint", 8), ("resumed", 4), ("ready", 0))) == 1
    assert power.lost(told(("ready", 0), ("checkpoint", 4), ("ready", 0), ("checkpoint", 4))) == 1


def test_a_run_that_differs_is_noticed(power: Any) -> None:
    from board import Story

    def story(events: list[dict[str, Any]]) -> Any:
        return Story(events, 0, [], 0)

    clean = story(told(("checkpoint", 4), ("checkpoint", 8), ("done", 8)))
    assert not power.differs(story(told(("checkpoint", 8), ("done", 8))), clean)
    wrong = told(("checkpoint", 4), ("done", 8))
    wrong[0]["crc"] += 1
    assert power.differs(story(wrong), clean)
    wrong = told(("done", 8))
    wrong[0]["digest"] = "other"
    assert power.differs(story(wrong), clean)
