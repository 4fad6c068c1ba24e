# SPDX-License-Identifier: Apache-2.0
"""Which blocks of what is tercet's on a card a run's pages take. From its first block on there lie

    pages or nothing | two checkpoints, up to DATA_BLOCK | files, each behind its label | pages

Loaded while a card is opened.
"""

import os
import struct

from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK, PLACE_BLOCKS


def choose(card, found, blocks, job=None, plan=None, state_bytes=0):
    """(first block, blocks, places) for a run's pages in the larger of the parts before the checkpoints and behind the files.

    They may begin at the first block, or a multiple of PLACE_BLOCKS behind it, at so many places; the first one is a multiple of
    it, too, where there is room. `state_bytes` are those of a checkpoint beside the weights. Raises DeviceError("card_full")
    where neither part has room.
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
    aligned = low + -low % PLACE_BLOCKS
    # without a generator there is no choice
    if aligned + blocks > high or not hasattr(os, "urandom"):
        return low, blocks, 1
    return aligned, blocks, (high - blocks - aligned) // PLACE_BLOCKS + 1


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
