# SPDX-License-Identifier: Apache-2.0
"""What a card can do to a training run: each ends in an error that says what to do, or in the same weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import board_process
import pytest
from small_job import TARGET, job
from tercet.board.base import Board
from tercet.errors import BoardError
from tercet.train import session

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
WORK = job("frugal", {"name": "sgd", "rate": 0.2}, steps=6)[2]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The state of a board with the job's files on it, and the digest of a run without faults."""
    folder = tmp_path_factory.mktemp("clean")
    with_files = folder / "state"
    board = board_process.start(with_files, "--image", IMAGE, "--pace", "max", "--sd", folder / "card.img")
    try:
        with Board(board.serial) as at:
            session.deploy(at, WORK, TARGET)
            digest = session.run(at, WORK).last("done")["digest"]
    finally:
        board.stop()
    return with_files, digest


@pytest.fixture
def run(deployed: tuple[Path, str], tmp_path: Path) -> Iterator[Any]:
    """`run(*options, faults=[...])` -> the events of the job on a board with these."""

    def start(*options: str | Path, card: bool = True, faults: tuple[dict[str, Any], ...] = ()) -> session.Run:
        state = tmp_path / "state"
        state.mkdir()
        for name in ("flash.bin", "uicr.bin"):
            shutil.copy(deployed[0] / name, state / name)
        words: list[str | Path] = ["--pace", "max", *options]
        words += ["--sd", tmp_path / "card.img"] if card else ["--sd-profile", "none"]
        if faults:
            path = tmp_path / "faults.jsonl"
            path.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
            words += ["--faults", path]
        board = board_process.start(state, *words, name="faulty")
        try:
            with Board(board.serial) as at:
                return session.run(at, WORK, silence_s=60)
        finally:
            board.stop()

    yield start


def test_no_card(run: Any) -> None:
    with pytest.raises(BoardError, match="no card answers") as error:
        run(card=False)
    assert "put a card into the slot" in error.value.hint


def test_a_locked_card(run: Any) -> None:
    with pytest.raises(BoardError, match=r"write-protected|refused") as error:
        run("--sd-write-protected")
    assert "lock" in error.value.hint


def test_a_card_without_room(run: Any) -> None:
    with pytest.raises(BoardError, match="do not fit") as error:
        run("--sd-mb", "1")
    assert "larger card" in error.value.hint


def test_a_card_with_somebodys_data_is_left_alone(run: Any, tmp_path: Path) -> None:
    foreign = b"\xeb\x3c\x90MSDOS5.0" + bytes(499) + b"\x55\xaa"
    image = tmp_path / "card.img"
    image.write_bytes(foreign + bytes(64 * 1024 * 1024 - 512))
    with pytest.raises(BoardError, match="holds data") as error:
        run()
    assert "card prepare" in error.value.hint
    assert image.read_bytes()[:512] == foreign


def test_a_bit_that_flips_on_the_wire_is_read_again(run: Any, deployed: tuple[Path, str]) -> None:
    done = run(faults=({"fault": "sd_bit_flip", "after": {"sd_blocks_read": 4}, "bit": 99},)).last("done")
    assert done["digest"] == deployed[1]


def test_a_bit_that_the_card_forgot_ends_the_step(run: Any) -> None:
    # every later read brings it: three attempts are not enough
    flips = tuple(
        {"fault": "sd_bit_flip", "after": {"sd_blocks_read": count}, "bit": 99, "silent": True} for count in range(4, 12)
    )
    with pytest.raises(BoardError, match="fails its check") as error:
        run(faults=flips)
    assert "another card" in error.value.hint


def test_a_write_that_the_card_refuses(run: Any) -> None:
    with pytest.raises(BoardError, match=r"refused|write-protected"):
        run(faults=({"fault": "sd_refuse_write", "after": {"sd_blocks_written": 2}, "count": 1},))


def test_a_card_that_is_pulled_amid_a_step(run: Any) -> None:
    with pytest.raises(BoardError, match=r"stopped answering|no card answers|did not get ready"):
        run(faults=({"fault": "sd_removed", "after": {"sd_blocks_written": 3}},))


def test_a_card_that_stalls_as_long_as_its_specification_allows(run: Any, deployed: tuple[Path, str]) -> None:
    done = run(faults=({"fault": "sd_stall", "after": {"sd_blocks_written": 2}, "for_ms": 250},)).last("done")
    assert done["digest"] == deployed[1]
