# SPDX-License-Identifier: Apache-2.0
"""The partition on a board's card, made by the board itself: pages first, a data set behind them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tercet.board import sync
from tercet.board.base import Board
from tercet.costs import blocks
from tercet.errors import InputError
from tercet.targets import Target
from tercet.train import session
from tercet.train.job import Job, card_crc

_BLOCK_BYTES = 512
_PIECE_BYTES = 32768
_OPEN = """
from tercet_device import places
_tercet_card = places.open_card({card!r})
"""
_PREPARE = """
import sys
if '/lib' not in sys.path:
    sys.path.append('/lib')
from tercet_device import places, trace
from tercet_device.errors import DeviceError
from tercet_device.store import prepare
try:
    card = places.open_card({card!r})
    first, count = prepare(card, {blocks}, {force})
    trace.emit("card", first_block=first, blocks=count, card_blocks=card.blocks)
except DeviceError as error:
    trace.emit("error", kind=error.kind, text=error.text)
"""


def prepare(
    board: Board, target: Target, size_bytes: int, force: bool = False, operators: str = "mlp"
) -> dict[str, Any]:  # fmt: skip
    """`{"first_block","blocks","card_blocks"}` of the page partition, made when it was missing or too small.

    Raises InputError for a target without a card, BoardError for what the card says (no card, protected, holds data, too small).
    """
    if not target.card:
        raise InputError(f"{target.name} has no card in its target file")
    session.send(board, dict(session.library_files(target, operators)))
    board.soft_reset()
    blocks = -(-size_bytes // _BLOCK_BYTES)
    answer: dict[str, Any] = {}
    for event in board.run(_PREPARE.format(card=target.card, blocks=blocks, force=force)):
        if event["event"] == "error":
            raise session.device_error(event)
        answer = {key: value for key, value in event.items() if key != "event"}
    return answer


def place_job(
    board: Board, target: Target, order: Job, image: str = "", operators: str = "mlp",
    progress: Callable[[str, int, int], None] | None = None,
) -> None:  # fmt: skip
    """Brings what a job has on the card there, and makes room for what the board itself will write; see `place_files`."""
    place_files(board, target, order.card_files, image, operators, progress, order.card_blocks)


def place_files(
    board: Board, target: Target, files: Mapping[int, bytes], image: str = "", operators: str = "mlp",
    progress: Callable[[str, int, int], None] | None = None, room_blocks: int = 0,
) -> None:  # fmt: skip
    """Brings a data set, weights or both onto the card of `board`, behind the pages; what is there already stays.

    `files`: content by its first block in the partition, where a label stands before it; the partition has `room_blocks` at
    least. `image` is the file of the card
    where this machine has it: then it is written there, since the card is not in use; else over the console, which takes a
    while. Raises what `prepare` raises.
    """
    if not files:
        return
    end = max(room_blocks, *(at + 1 + blocks(len(content)) for at, content in files.items()))
    start = prepare(board, target, end * _BLOCK_BYTES, operators=operators)["first_block"]
    for at, content in files.items():
        first = start + at
        label = struct.pack("<4sII", b"TDSC", len(content), card_crc(content)).ljust(_BLOCK_BYTES, b"\0")
        padded = content + bytes(-len(content) % _BLOCK_BYTES)
        if image:
            _to_image(Path(image), first, label + padded)
        elif not _is_there(board, target, at, content):
            _over_console(board, first, bytes(_BLOCK_BYTES), None)
            _over_console(board, first + 1, padded, progress)
            _over_console(board, first, label, None)


def _to_image(image: Path, first: int, data: bytes) -> None:
    with image.open("r+b") as stream:
        stream.seek(first * _BLOCK_BYTES)
        if stream.read(len(data)) != data:
            stream.seek(first * _BLOCK_BYTES)
            stream.write(data)


def _is_there(board: Board, target: Target, at: int, content: bytes) -> bool:
    """Whether the card holds this content; leaves the card open on the board as `_tercet_card`."""
    board.exec(_OPEN.format(card=target.card))
    place = [len(content), card_crc(content), at]
    return bool(board.eval(f"places.card_data(_tercet_card, {place!r}) is not None", silence_s=120.0))


def _over_console(board: Board, first: int, data: bytes, progress: Callable[[str, int, int], None] | None) -> None:
    for at in range(0, len(data), _PIECE_BYTES):
        piece = data[at : at + _PIECE_BYTES]
        sync.put_buffer(board, "_tercet_piece", piece)
        board.exec(f"_tercet_card.writeblocks({first + at // _BLOCK_BYTES}, _tercet_piece)")
        if progress:
            progress("to the card", at + len(piece), len(data))
