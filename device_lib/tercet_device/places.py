# SPDX-License-Identifier: Apache-2.0
"""What the entries of a job name: the card, the page store, the data set, the checkpoints."""

import struct

from tercet_device import kernels, weights
from tercet_device.data import DataSet
from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK, BlockFile, BlockStore, FileStore, find_partition, prepare


def open_card(settings):
    """The card of a job's `store` entry."""
    from machine import SPI, Pin

    from tercet_device.sd import SDCard

    pins = {name: Pin(settings[name]) for name in ("sck", "mosi", "miso")}
    wires = SPI(settings["spi"], **pins), Pin(settings["cs"], Pin.OUT), kernels, settings["baudrate"]
    if settings.get("native"):
        try:
            from tercet_device.native_card import NativeCard

            return NativeCard(*wires, settings["native"])
        except ImportError:
            pass
    return SDCard(*wires)


def open_store(settings, blocks, card=None):
    """The page store that a job asks for, at least `blocks` large; None when the plan pages nothing.

    `card` is the open card when it holds the data set as well.
    """
    if not blocks:
        return None
    if settings is None:
        raise DeviceError("card_missing", "the plan pages %d blocks and the board has no page store" % blocks)
    if settings["kind"] == "file":
        return FileStore(settings["path"], blocks)
    data_too = card is not None
    card = card or open_card(settings)
    first, found = prepare(card, blocks)
    return BlockStore(card, first, min(found, DATA_BLOCK) if data_too else found)


def open_data(place, card):
    """The data set in a file, or behind the pages of the card: `place` is then [bytes, CRC-32], and both must be right."""
    if isinstance(place, str):
        return DataSet(place)
    stream = card_data(card, place)
    if stream is None:
        raise DeviceError("data", "the card does not hold this data set; `tercet deploy` writes it")
    return DataSet("the card's data set", stream)


def card_data(card, place):
    """The data set [bytes, CRC-32] on the card as a stream; None when the card does not hold it.

    The host writes both numbers in a block of their own before the data, as the last thing.
    """
    found = find_partition(card)
    if not found or found[1] < DATA_BLOCK + 1 + -(-place[0] // BLOCK_BYTES):
        return None
    label = bytearray(BLOCK_BYTES)
    card.readblocks(found[0] + DATA_BLOCK, label)
    if label[:12] != struct.pack("<4sII", b"TDSC", *place):
        return None
    return BlockFile(card, found[0] + DATA_BLOCK + 1, place[0])


def open_log(job, state, plan, arena, card):
    """The checkpoints of a job: `state` and all weights, on the card or in files."""
    from tercet_device import checkpoint

    settings = job["checkpoint"]
    views = [memoryview(state)] + [arena.view(offset, nbytes) for _, offset, nbytes in plan.persistents()]
    if settings.get("path"):
        slots = checkpoint.FileSlots(settings["path"])
    else:
        slots = checkpoint.CardSlots(card, checkpoint.slot_blocks(sum(map(len, views))), plan.page_blocks)
    # with other weights to start from it is another job
    return checkpoint.Log(slots, kernels, bytes.fromhex(settings["job"]) + weights.identity(job["weights"]), views)
