# SPDX-License-Identifier: Apache-2.0
"""The partition or file for pages on a board's card, made by the board itself, and the files in it: data sets and weights."""

from __future__ import annotations

import json
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
from tercet.train.job import FOLDER, Job, card_crc

_BLOCK_BYTES = 512
_PIECE_BYTES = 32768
_JOB, _PREDICT = f"{FOLDER}/job.json", f"{FOLDER}/predict.json"
_OPEN = """
from tercet_device import places
_tercet_card = places.open_card({card!r})
def _tercet_write(block, data):
    _tercet_card.writeblocks(block, data)
    back = memoryview(bytearray(2048))
    for at in range(0, len(data), 2048):
        part = back[: min(2048, len(data) - at)]
        _tercet_card.readblocks(block + at // 512, part)
        if part != memoryview(data)[at : at + len(part)]:
            raise OSError("block %d of the card holds something else than was written" % (block + at // 512))
"""
# What is copied is read once more: its checksum must be that of the label.
_COPY = """
def _tercet_copy(place, to):
    from binascii import crc32
    from tercet_device.card_file import CardFile
    buffer = memoryview(bytearray(2048))
    def parts(place):
        stream, left = places.card_data(_tercet_card, place), place[0] - 4
        while left:
            part = buffer[: min(2048, left)]
            left -= stream.readinto(part)
            yield part
        stream.readinto(buffer[:4])
    with CardFile(_tercet_card, to) as copy:
        for part in parts(place):
            copy.write(part)
        copy.write(buffer[:4])
    crc = 0
    for part in parts([place[0], place[1], to[2]]):
        crc = crc32(part, crc)
    if crc & 0xffffffff != place[1]:
        raise OSError("the copy on the card is not what was copied")
"""
_PREPARE = """
import sys
if '/lib' not in sys.path:
    sys.path.append('/lib')
from tercet_device import places, trace
from tercet_device.errors import DeviceError
try:
    card = places.open_card({card!r})
    first, count = {region}
    trace.emit("card", first_block=first, blocks=count, card_blocks=card.blocks)
except DeviceError as error:
    trace.emit("error", kind=error.kind, text=error.text)
"""


def prepare(
    board: Board, target: Target, size_bytes: int, force: bool = False, operators: str = "mlp", in_file: bool = False
) -> dict[str, Any]:  # fmt: skip
    """`{"first_block","blocks","card_blocks"}` of the card's page partition or page file, made when it was missing or too small.

    On a card that holds neither, a partition is made, or, `in_file`, a file in the FAT filesystem that is there.

    Raises InputError for a target without a card, BoardError for what the card says (no card, protected, holds data, too small,
    no FAT filesystem, a page file in pieces).
    """
    if not target.card:
        raise InputError(f"{target.name} has no card in its target file")
    session.send(board, dict(session.library_files(target, operators)))
    board.soft_reset()
    region = f"places.card_region(card, {blocks(size_bytes)})"
    if in_file:
        region = f"places.once('page_file', 'make', card, {size_bytes}, {force})"
    elif force:
        region = f"places.once('partition', 'prepare', card, {blocks(size_bytes)}, None, True)"
    answer: dict[str, Any] = {}
    for event in board.run(_PREPARE.format(card=target.card, region=region), silence_s=120.0):
        if event["event"] == "error":
            raise session.device_error(event)
        if event["event"] == "card":
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
    """Brings a data set, weights or both onto the card of `board`; what is there already stays.

    `files`: content by its first block in the card's partition or page file, where a label stands before it; that has
    `room_blocks` at least. `image` is the file of the card where this machine has it: then it is written there, since the card is
    not in use; else over the console, which takes a while. Raises what `prepare` raises.
    """
    if not files:
        return
    end = max(room_blocks, *(at + 1 + blocks(len(content)) for at, content in files.items()))
    start = prepare(board, target, end * _BLOCK_BYTES, operators=operators)["first_block"]
    written = False
    for at, content in sorted(files.items()):
        first = start + at
        label = struct.pack("<4sII", b"TDSC", len(content), card_crc(content)).ljust(_BLOCK_BYTES, b"\0")
        padded = content + bytes(-len(content) % _BLOCK_BYTES)
        if image:
            _to_image(Path(image), first, label + padded)
        # behind a file that was another one before, pages may have been written over what was there
        elif not _is_there(board, target, at, content) or written:
            written = True
            _over_console(board, first, bytes(_BLOCK_BYTES), None)
            _over_console(board, first + 1, padded, progress)
            _over_console(board, first, label, None)


def push(
    board: Board, target: Target, weights: bytes, image: str = "", operators: str = "mlp",
    progress: Callable[[str, int, int], None] | None = None,
) -> None:  # fmt: skip
    """Brings a weights file to the card, for the board's predictions and as the start of its next training.

    It takes the place of the weights that the job on the board starts from and, copied by the board, that of the trained ones;
    each block is read back. Raises InputError when no job with as many bytes of weights on the card was deployed, and what
    `place_files` raises.
    """
    found = {path: sync.get_file(board, path) for path in sync.hashes(board, [_JOB, _PREDICT])}
    order = json.loads(found.get(_JOB, b"{}"))
    start, result = order.get("weights"), order.get("result")
    if not isinstance(start, list) or start[0] != len(weights):
        text = f"the job on the board does not start from {len(weights)} bytes of weights on the card"
        raise InputError(text, hint="`tercet deploy` brings the model's job there first")
    place = [len(weights), card_crc(weights), start[2]]
    place_files(board, target, {start[2]: weights}, image, operators, progress)
    board.exec(_OPEN.format(card=target.card) + _COPY)
    board.exec(f"_tercet_copy({place!r}, {result!r})", silence_s=120.0)
    changed = {_JOB: json.dumps({**order, "weights": place}).encode()}
    if _PREDICT in found:
        changed[_PREDICT] = json.dumps({**json.loads(found[_PREDICT]), "weights": [result, place]}).encode()
    sync.sync(board, changed)


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
        board.exec(f"_tercet_write({first + at // _BLOCK_BYTES}, _tercet_piece)")
        if progress:
            progress("to the card", at + len(piece), len(data))
