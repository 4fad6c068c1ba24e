# SPDX-License-Identifier: Apache-2.0
"""The partition for pages on a card, found and made. Loaded while a card is opened."""

import struct

from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES

# MBR partition type "non-filesystem data": the partition that `tercet card prepare` makes.
PARTITION_TYPE = 0xDA
_FIRST_BLOCK = 2048
# What a partition or file gets at least, where the card has it: 16 MiB.
ROOMY_BLOCKS = 32768
# What a new partition gets beside, where the card has it, for pages to wander in: 64 MiB.
_SPARE_BLOCKS = 131072


def read_block(card, block, buffer=None):
    buffer = buffer or bytearray(BLOCK_BYTES)
    card.readblocks(block, buffer)
    return buffer


def find(card):
    """(first block, blocks) of the partition; () on an empty card, None when it holds anything else."""
    block = read_block(card, 0)
    if block[510:512] != b"\x55\xaa":
        return None if any(block) else ()
    # without partitions block 0 is a filesystem's own, and bytes of its program no table
    if block[54:57] != b"FAT" and block[82:85] != b"FAT" and block[3:7] != b"NTFS" and block[3:8] != b"EXFAT":
        for entry in range(446, 510, 16):
            first, count = struct.unpack_from("<II", block, entry + 8)
            if block[entry + 4] == PARTITION_TYPE and count:
                return first, count


def prepare(card, blocks, found=None, force=False):
    """Makes the partition of at least `blocks` blocks on an empty card and returns (first block, blocks).

    `found` is what is there already and too small. Raises DeviceError("card_foreign") when block 0 holds anything else and
    `force` is not set, DeviceError("card_full") when card, partition or page file are smaller.
    """
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
