# SPDX-License-Identifier: Apache-2.0
"""The page partition on a board's card, made by the board itself."""

from __future__ import annotations

from typing import Any

from tercet.board import sync
from tercet.board.base import Board
from tercet.errors import InputError
from tercet.targets import Target
from tercet.train import session

_BLOCK_BYTES = 512
_PREPARE = """
import sys
if '/lib' not in sys.path:
    sys.path.append('/lib')
from tercet_device import loop, trace
from tercet_device.errors import DeviceError
from tercet_device.store import prepare
try:
    card = loop.open_card({card!r})
    first, count = prepare(card, {blocks}, {force})
    trace.emit("card", first_block=first, blocks=count, card_blocks=card.blocks)
except DeviceError as error:
    trace.emit("error", kind=error.kind, text=error.text)
"""


def prepare(board: Board, target: Target, size_bytes: int, force: bool = False) -> dict[str, Any]:
    """`{"first_block","blocks","card_blocks"}` of the page partition, made when it was missing or too small.

    Raises InputError for a target without a card, BoardError for what the card says (no card, protected, holds data, too small).
    """
    if not target.card:
        raise InputError(f"{target.name} has no card in its target file")
    sync.sync(board, dict(session.library_files(target, "mlp")))
    board.soft_reset()
    blocks = -(-size_bytes // _BLOCK_BYTES)
    answer: dict[str, Any] = {}
    for event in board.run(_PREPARE.format(card=target.card, blocks=blocks, force=force)):
        if event["event"] == "error":
            raise session.device_error(event)
        answer = {key: value for key, value in event.items() if key != "event"}
    return answer
