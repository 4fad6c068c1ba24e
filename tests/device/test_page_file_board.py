# SPDX-License-Identifier: Apache-2.0
"""The page file on the virtual board: made over the serial port beside somebody's files, trained in, and nothing else touched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import board_process
import pytest
from small_job import TARGET, job
from tercet.board.base import Board
from tercet.errors import BoardError
from tercet.train import card, session
from tercet.train.job import DATA_BLOCK, Settings, card_crc
from test_page_file_run import somebodys
from unix_port import last, run_job

pytestmark = [pytest.mark.board, pytest.mark.timeout(300)]
IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"


def test_a_training_in_a_file_of_a_fat_card(tmp_path: Path) -> None:
    order = job("frugal", {"name": "momentum", "rate": 0.1}, settings=Settings(12, report_every=4, checkpoint_every=6))[2]
    files = dict(order.files)
    encoded = files.pop("/tercet/data.tds")
    settings = {**order.settings, "data": [len(encoded), card_crc(encoded)], "card": TARGET.card}
    files[order.path] = json.dumps(settings).encode()
    on_card = replace(order, files=files, settings=settings, card_files={DATA_BLOCK: encoded})
    image = somebodys(wide=False).write(tmp_path / "card.img")
    started = board_process.start(tmp_path / "state", "--image", IMAGE, "--pace", "max", "--sd", image, "--sd-profile", "good")
    try:
        with Board(started.serial) as board:
            session.deploy(board, on_card, TARGET)
            with pytest.raises(BoardError, match="holds data") as error:
                card.place_job(board, TARGET, on_card)
            assert "card prepare --file" in error.value.hint
            made = card.prepare(board, TARGET, 4 << 20, in_file=True)
            before = image.read_bytes()
            card.place_job(board, TARGET, on_card)
            done = session.run(board, on_card)
    finally:
        started.stop()
    after = image.read_bytes()
    begin, end = made["first_block"] * 512, (made["first_block"] + made["blocks"]) * 512
    assert after[:begin] == before[:begin] and after[end:] == before[end:] and after[begin:end] != before[begin:end]
    pages = done.last("pages")
    assert begin <= pages["first_block"] * 512 and (pages["first_block"] + pages["blocks"]) * 512 <= end
    assert done.last("done")["digest"] == last(run_job(order, tmp_path), "done")["digest"]
