# SPDX-License-Identifier: Apache-2.0
"""Which blocks of a card are tercet's, and which of them a run's pages take. Loaded while a card is opened.

They are a partition of their own, or a file on a FAT card (`fat`). From its first block on:

    pages or nothing | two checkpoints, up to DATA_BLOCK | files, each behind its label | pages
"""

import struct

from tercet_device import trace
from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK

# MBR partition type "non-filesystem data": the partition that `tercet card prepare` makes.
PARTITION_TYPE = 0xDA
_FIRST_BLOCK = 2048
# What a partition or file gets at least, where the card has it: 16 MiB.
ROOMY_BLOCKS = 32768
# What a new partition gets beside, where the card has it, for pages to wander in: 64 MiB.
_SPARE_BLOCKS = 131072
# Pages begin at a multiple of 64 KiB of the card.
_STEP_BLOCKS = 128


def read_block(card, block, buffer=None):
    buffer = buffer or bytearray(BLOCK_BYTES)
    card.readblocks(block, buffer)
    return buffer


def find(card):
    """(first block, blocks) of the partition or of the page file; None when the card has neither.

    Raises DeviceError("card_file") for a page file that is not contiguous or not whole.
    """
    block = read_block(card, 0)
    if block[510:512] != b"\x55\xaa":
        return None
    # without partitions block 0 is a filesystem's own, and bytes of its program no table
    if block[54:57] != b"FAT" and block[82:85] != b"FAT" and block[3:7] != b"NTFS" and block[3:8] != b"EXFAT":
        for entry in range(446, 510, 16):
            first, count = struct.unpack_from("<II", block, entry + 8)
            if block[entry + 4] == PARTITION_TYPE and count:
                return first, count
    from tercet_device.places import once

    return once("fat", "find", card, block)


def prepare(card, blocks, force=False):
    """(first block, blocks) of a region of at least `blocks` blocks; on an empty card its partition is made.

    Raises DeviceError("card_foreign") when block 0 holds anything else and `force` is not set, DeviceError("card_full") when
    card or page file are smaller, and what `find` raises.
    """
    found = None if force else find(card)
    if found and found[1] >= blocks:
        return found
    block = read_block(card, 0)
    # a card whose only partition is ours may be divided anew: its end moves, and what it holds stays
    ours = block[450] == PARTITION_TYPE and not any(block[:446]) and not any(block[462:510])
    if found and not ours:
        raise DeviceError("card_full", "the card's page partition or file has %d blocks, %d are needed" % (found[1], blocks))
    if any(block) and not ours and not force:
        raise DeviceError("card_foreign", "the card holds data, and no partition or file for pages of %d blocks" % blocks)
    size = card.ioctl(4, 0) - _FIRST_BLOCK
    if blocks > size:
        raise DeviceError("card_full", "%d blocks of pages do not fit the card's %d" % (blocks, card.ioctl(4, 0)))
    wanted = max(blocks, ROOMY_BLOCKS)
    blocks = max(blocks, min(wanted + _SPARE_BLOCKS, size))
    block = bytearray(BLOCK_BYTES)
    block[446:454] = bytes((0, 0xFE, 0xFF, 0xFF, PARTITION_TYPE, 0xFE, 0xFF, 0xFF))
    struct.pack_into("<II", block, 454, _FIRST_BLOCK, blocks)
    block[510:512] = b"\x55\xaa"
    card.writeblocks(0, block)
    return _FIRST_BLOCK, blocks


def page_area(card, found, blocks, job=None, plan=None, state_bytes=0):
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
        magic, nbytes = struct.unpack_from("<4sI", read_block(card, first + at, block))
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
