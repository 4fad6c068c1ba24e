# SPDX-License-Identifier: Apache-2.0
"""Which blocks of what is tercet's on a card a run's pages take. From its first block on there lie

    pages or nothing | two checkpoints, up to DATA_BLOCK | files, each behind its label | pages

Loaded while a card is opened.
"""

import struct

from tercet_device import trace
from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK

# Pages begin at a multiple of 64 KiB of the card.
_STEP_BLOCKS = 128


def choose(card, found, blocks, job=None, plan=None, state_bytes=0):
    """(first block, blocks) for the pages of a run: the larger of the parts before the checkpoints and behind the files.

    Where in that part they begin is left to chance, so that runs do not wear out the same blocks. `state_bytes` are those of a
    checkpoint beside the weights. Raises DeviceError("card_full") where neither has room.
    """
    first, count = found
    files_end = _files_end(card, first, count, job and job.get("result"))
    kept = _kept_blocks(job, plan, state_bytes)
    low, high = max((0, min(count, DATA_BLOCK) - kept), (files_end, count), key=lambda part: part[1] - part[0])
    if high - low < blocks and not kept and files_end == DATA_BLOCK:
        # nothing lies between the two
        low, high = 0, count
    if high - low < blocks:
        raise DeviceError(
            "card_full", "%d blocks of pages do not fit beside checkpoints and files: %d are left" % (blocks, high - low))
    low, high = first + low, first + high
    aligned = low + -low % _STEP_BLOCKS
    if aligned + blocks <= high:
        low = aligned + _chance((high - blocks - aligned) // _STEP_BLOCKS + 1) * _STEP_BLOCKS
    trace.emit("pages", first_block=low, blocks=blocks)
    return low, blocks


def _kept_blocks(job, plan, state_bytes):
    """The blocks of both checkpoints of a job that keeps them on the card."""
    if not job or not job.get("checkpoint") or job["checkpoint"].get("path"):
        return 0
    nbytes = state_bytes + sum(entry[2] for entry in plan.persistents())
    return 2 * (-(-nbytes // BLOCK_BYTES) + 1)


def _files_end(card, first, count, result):
    """The first block behind all files, of the job and of others, from the region's beginning."""
    at, block = DATA_BLOCK, bytearray(BLOCK_BYTES)
    while at < count:
        card.readblocks(first + at, block)
        magic, nbytes = struct.unpack_from("<4sI", block)
        if magic != b"TDSC":
            break
        at += 1 + -(-nbytes // BLOCK_BYTES)
    if result and not isinstance(result, str):
        at = max(at, result[2] + 1 + -(-result[0] // BLOCK_BYTES))
    return min(at, count)


def _chance(count):
    """One of 0 to count - 1; 0 where the firmware has no generator."""
    from tercet_device.chance import random_bytes

    try:
        drawn = random_bytes(3)
    except DeviceError:
        return 0
    return (drawn[0] << 16 | drawn[1] << 8 | drawn[2]) % count
