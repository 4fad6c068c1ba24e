# SPDX-License-Identifier: Apache-2.0
"""The card's bus beyond 16 MHz: taken where the card confirms it and the wires stand it, left without a wrong bit where not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import board_process
import pytest
import small_job
from tercet.autodiff import training_graph
from tercet.board.base import Board
from tercet.cli import whole
from tercet.costs import CostTable, PageCost
from tercet.model import initialise
from tercet.plan import lower
from tercet.solve.schedule import Schedule
from tercet.train import session
from tercet.train.job import Job, Settings, make_job

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
SLOW_HZ, FAST_HZ = 16_000_000, 32_000_000
TARGET = replace(small_job.TARGET, card={**small_job.TARGET.card, "max_hz": FAST_HZ})


def job() -> Job:
    """Twenty steps with pages beside computation, on a card that may be brought to 32 MHz."""
    graph = training_graph(small_job.MODEL, small_job.BATCH, optimizer={"name": "sgd", "rate": 0.2})
    schedule = Schedule(tuple(small_job.frugal(graph)))
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=4096, overlap=True)
    return make_job(graph, plan, initialise(small_job.MODEL, 1), small_job.data(), TARGET, Settings(20, baseline_ms=1))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The state of a board with the job on it, and what a run told whose card refuses to switch."""
    folder = tmp_path_factory.mktemp("refusing")
    options = ("--image", IMAGE, "--pace", "max", "--sd", folder / "card.img", "--sd-profile", "bad")
    board = board_process.start(folder / "state", *options, name=f"refusing-{os.getpid()}")
    try:
        with Board(board.serial) as at:
            session.deploy(at, job(), TARGET)
            return folder / "state", session.run(at, job()).last("done")
    finally:
        board.stop()


@pytest.fixture
def run(deployed: tuple[Path, dict[str, Any]], tmp_path: Path) -> Iterator[Any]:
    """`run(fault, ...)` -> what the run on a card that confirms 32 MHz told at its end."""

    def start(*faults: dict[str, Any]) -> dict[str, Any]:
        state = tmp_path / "state"
        state.mkdir()
        for name in ("flash.bin", "uicr.bin"):
            shutil.copy(deployed[0] / name, state / name)
        path = tmp_path / "faults.jsonl"
        path.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
        words = ("--pace", "max", "--sd", tmp_path / "card.img", "--faults", path)
        board = board_process.start(state, *words, name=f"fast-{os.getpid()}")
        try:
            with Board(board.serial) as at:
                return session.run(at, job(), silence_s=60).last("done")
        finally:
            board.stop()

    yield start


def test_a_card_that_refuses_stays_at_its_default_speed(deployed: tuple[Path, dict[str, Any]]) -> None:
    assert (deployed[1]["card_hz"], deployed[1]["card_lowered"]) == (SLOW_HZ, False)


def test_a_card_that_confirms_is_taken_to_32_mhz(run: Any, deployed: tuple[Path, dict[str, Any]]) -> None:
    done = run()
    assert (done["card_hz"], done["card_lowered"], done["retries"]) == (FAST_HZ, False, 0)
    assert done["bytes_in"] > 0 and done["digest"] == deployed[1]["digest"]


def test_wires_that_damage_every_block_are_found_before_the_first_page(run: Any, deployed: tuple[Path, dict[str, Any]]) -> None:
    done = run({"fault": "sd_fast_noise", "at_ms": 0, "every": 1})
    assert (done["card_hz"], done["card_lowered"], done["retries"]) == (SLOW_HZ, False, 0)
    assert done["digest"] == deployed[1]["digest"]


@pytest.mark.parametrize("every", [1, 3])
def test_repeated_errors_lower_the_rate_amid_a_run(every: int, run: Any, deployed: tuple[Path, dict[str, Any]]) -> None:
    done = run({"fault": "sd_fast_noise", "after": {"sd_blocks_written": 5}, "every": every})
    assert (done["card_hz"], done["card_lowered"]) == (SLOW_HZ, True)
    assert done["retries"] >= 2 and done["digest"] == deployed[1]["digest"]


def test_a_rare_error_is_repeated_at_the_same_rate(run: Any, deployed: tuple[Path, dict[str, Any]]) -> None:
    done = run({"fault": "sd_bit_flip", "after": {"sd_blocks_written": 5}, "way": "write", "bit": 99})
    assert (done["card_hz"], done["card_lowered"], done["retries"]) == (FAST_HZ, False, 1)
    assert done["digest"] == deployed[1]["digest"]


def test_a_run_at_another_rate_than_the_costs_says_so() -> None:
    table = CostTable("board", {}, PageCost(), PageCost(), card_hz=FAST_HZ)
    assert whole.rate_notes(table, {"card_hz": FAST_HZ, "card_lowered": False}) == []
    assert whole.rate_notes(table, {}) == []
    lowered, other = whole.rate_notes(table, {"card_hz": SLOW_HZ, "card_lowered": True})
    assert "16 MHz after repeated errors" in lowered and "32 MHz" in other and "do not hold" in other
