# SPDX-License-Identifier: Apache-2.0
"""Makes the page file on a FAT card beside its owner's files, by the firmware's own FAT driver.

    make(card, 16 << 20)    # `tercet card prepare --file`

A file that some other machine made is as good: what counts is the check in `fat`.
"""

from tercet_device import fat, partition, trace
from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK

_ATTEMPTS = 100
_PIECES = "TERCET.T"
_ZEROS_BYTES = 16384


def make(card, nbytes, force=False):
    """(first block, blocks) of a contiguous file of at least `nbytes`, or of the partition or file that is there already.

    Raises DeviceError("card_file") where there is no FAT volume, or a page file that does not do and may not be replaced
    (`force`), "card_full" where a partition is too small, or the card has no room in one piece.
    """
    blocks = -(-nbytes // BLOCK_BYTES)
    made = partition.find(card)
    found = made or None if force else made or fat.find(card)
    if found and found[1] >= blocks:
        return found
    if found:
        raise DeviceError("card_full" if made else "card_file", "the card's page %s has %d blocks, %d are needed" % (
            "partition" if made else "file", found[1], blocks))
    volume = _mount(card)
    try:
        _remove(volume, fat.NAME, _PIECES)
        # without the file it looks at the volume alone
        fat.find(card)
        _make(card, volume, blocks)
    finally:
        _remove(volume, _PIECES)
        volume.umount()
    first, blocks = fat.find(card)
    _clear(card, first, blocks)
    return first, blocks


def _mount(card):
    try:
        from vfs import VfsFat
    except ImportError:
        try:
            from os import VfsFat
        except ImportError:
            raise DeviceError("card_file", "this firmware has no VfsFat: make %s on another machine" % fat.NAME)
    volume = VfsFat(card)
    try:
        volume.statvfs("/")
    except OSError:
        raise DeviceError("card_file", "the card holds no FAT16 or FAT32 filesystem")
    return volume


def _make(card, volume, blocks):
    """Makes the file; what came in pieces is kept while the next one is made, so that it fills the gaps between other files."""
    for number in range(_ATTEMPTS):
        status = volume.statvfs("/")
        free = status[0] * status[3] // BLOCK_BYTES
        if free < blocks:
            break
        size = max(blocks, min(partition.ROOMY_BLOCKS, free))
        with volume.open(fat.NAME, "wb") as stream:
            # the driver gives it clusters without writing to them
            stream.seek(size * BLOCK_BYTES - 1)
            stream.write(b"\0")
        try:
            return fat.find(card)
        except DeviceError as error:
            trace.emit("pieces", text=error.text)
        volume.rename(fat.NAME, _PIECES + "%02d" % number)
    raise DeviceError("card_full", "the card has no %d free blocks in one piece" % blocks)


def _remove(volume, *begins):
    """Removes the files whose names begin so, also what a loss of power left behind."""
    names = [entry[0] for entry in volume.ilistdir("/") if entry[1] == 0x8000 and entry[0].upper().startswith(begins)]
    for name in names:
        volume.remove(name)


def _clear(card, first, blocks):
    """Writes zeros where the labels of files on the card may stand: nothing that was deleted there may be taken for one."""
    zeros = bytearray(_ZEROS_BYTES)
    at = min(DATA_BLOCK, blocks)
    while at < blocks:
        part = min(_ZEROS_BYTES // BLOCK_BYTES, blocks - at)
        card.writeblocks(first + at, memoryview(zeros)[: part * BLOCK_BYTES])
        at += part
        if at % 2048 == 0:
            trace.emit("cleared", blocks=at)
