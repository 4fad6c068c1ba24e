# SPDX-License-Identifier: Apache-2.0
"""What the entries of a job name: the card, the page store, the data set, the checkpoints."""

import struct

from tercet_device import kernels
from tercet_device.data import DataSet
from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK, BlockFile, BlockStore, find_partition, prepare


def open_card(settings):
    """The card of a job's `store` entry."""
    from machine import SPI, Pin

    pins = {name: Pin(settings[name]) for name in ("sck", "mosi", "miso")}
    wires = SPI(settings["spi"], **pins), Pin(settings["cs"], Pin.OUT), kernels, settings["baudrate"]
    if settings.get("native"):
        try:
            from tercet_device.native_card import NativeCard

            card = NativeCard(*wires, settings["native"])
        except ImportError:
            pass
        else:
            if settings.get("max_hz", 0) > card.hz:
                _at_speed("raise_rate", card, settings["max_hz"])
            return card
    from tercet_device.sd import SDCard

    return SDCard(*wires)


def _at_speed(what, *arguments):
    """Loads what raises the rate for as long as it is needed."""
    import sys

    import tercet_device
    from tercet_device import card_speed

    getattr(card_speed, what)(*arguments)
    del sys.modules["tercet_device.card_speed"], tercet_device.card_speed


def open_store(settings, blocks, card=None):
    """The page store that a job asks for, at least `blocks` large; None when the plan pages nothing.

    `card` is the open card when it holds the data set as well.
    """
    if not blocks:
        return None
    if settings is None:
        raise DeviceError("card_missing", "the plan pages %d blocks and the board has no page store" % blocks)
    if settings["kind"] == "file":
        from tercet_device.file_store import FileStore

        return FileStore(settings["path"], blocks)
    data_too = card is not None
    card = card or open_card(settings)
    first, found = prepare(card, blocks)
    return BlockStore(card, first, min(found, DATA_BLOCK) if data_too else found)


def open_pager(store, tensors, encrypted, overlap):
    """The pager for a store: a native one where the card's driver is native, and then nothing of the other one in RAM."""
    if store and getattr(store.device, "job", None):
        from tercet_device.native_pager import NativePager

        if store.device.fast_hz:
            # no page is there yet
            _at_speed("prove_writing", store.device, store.first)
        return NativePager(store, tensors, encrypted, overlap)
    from tercet_device.pager import Pager

    return Pager(store, kernels, tensors, encrypted)


def open_data(place, card):
    """The data set in a file, or behind the pages of the card: `place` is then [bytes, CRC-32], and both must be right."""
    if isinstance(place, str):
        return DataSet(place)
    stream = card_data(card, place)
    if stream is None:
        raise DeviceError("data", "the card does not hold this data set; `tercet deploy` writes it")
    return DataSet("the card's data set", stream)


def open_weights(place, card):
    """The weights file, or [bytes, CRC-32, block] of it on the card, as a stream."""
    stream = find_weights(place, card)
    if stream is not None:
        return stream
    if isinstance(place, str):
        raise DeviceError("weights", "%s: no such file" % place)
    raise DeviceError("weights", "the card does not hold these weights; `tercet deploy` and `tercet train` write them")


def find_weights(place, card):
    """What `open_weights` gives; None where there is none."""
    if not isinstance(place, str):
        return card_data(card, place)
    try:
        return open(place, "rb")
    except OSError:
        return None


def label_block(card, place):
    """The block where the label of [bytes, CRC-32, block] stands, its content behind it; None when the partition ends before."""
    found = find_partition(card)
    if not found or found[1] < place[2] + 1 + -(-place[0] // BLOCK_BYTES):
        return None
    return found[0] + place[2]


def card_data(card, place):
    """What [bytes, CRC-32, block] names on the card as a stream; None when the card does not hold it.

    Without a block it lies right behind the pages. Who writes it writes both numbers in a block of their own before it, as the
    last thing; the checksum leaves out the last four bytes. None in its place takes any: what the board itself wrote.
    """
    if len(place) == 2:
        place = place[0], place[1], DATA_BLOCK
    nbytes, crc, _ = place
    block = label_block(card, place)
    if block is None:
        return None
    label = bytearray(BLOCK_BYTES)
    card.readblocks(block, label)
    if label[:8] != struct.pack("<4sI", b"TDSC", nbytes) or crc is not None and label[8:12] != struct.pack("<I", crc):
        return None
    return BlockFile(card, block + 1, nbytes)
