# SPDX-License-Identifier: Apache-2.0
"""What the entries of a job name: the card, the page store, the data set, the checkpoints."""

import struct
import sys

from tercet_device import kernels
from tercet_device.data import DataSet
from tercet_device.errors import DeviceError
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK, BlockFile, BlockStore

_opened = []


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
                once("card_speed", "raise_rate", card, settings["max_hz"])
            return card
    from tercet_device.sd import SDCard

    return SDCard(*wires)


def once(name, what, *arguments):
    """What a function of a module gives that is loaded for as long as it takes."""
    package = __import__("tercet_device." + name)
    try:
        return getattr(getattr(package, name), what)(*arguments)
    finally:
        sys.modules.pop("tercet_device." + name, None)
        delattr(package, name)


def card_region(card, blocks=0):
    """(first block, blocks) of what is tercet's on a card: a partition or a file. Nothing where there is none.

    Where `blocks` are asked for, an empty card gets a partition. Raises what `partition` and `fat` raise.
    """
    found = _opened[1] if _opened and _opened[0] is card else None
    if not found:
        found = once("partition", "find", card)
        if found is None:
            found = once("fat", "find", card)
    if blocks and (not found or found[1] < blocks):
        found = once("partition", "prepare", card, blocks, found)
    _opened[:] = card, found
    return found


def open_store(settings, blocks, card=None, *beside):
    """The page store that a job asks for, of `blocks`; None when the plan pages nothing.

    `card` is the card when it is open already; `beside`: the job, its plan, the bytes of its state, where pages are not alone.
    """
    if not blocks:
        return None
    if settings is None:
        raise DeviceError("card_missing", "the plan pages %d blocks and the board has no page store" % blocks)
    if settings["kind"] == "file":
        from tercet_device.file_store import FileStore

        return FileStore(settings["path"], blocks)
    card = card or open_card(settings)
    store = BlockStore(card, *once("page_area", "choose", card, card_region(card, blocks), blocks, *beside))
    once("wander", "begin", store)
    return store


def open_pager(store, tensors, encrypted, overlap):
    """The pager for a store: a native one where the card's driver is native, and then nothing of the other one in RAM."""
    if store and getattr(store.device, "job", None):
        from tercet_device.native_pager import NativePager

        if store.device.fast_hz:
            # no page is there yet
            once("card_speed", "prove_writing", store.device, store.first)
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
    """The block where the label of [bytes, CRC-32, block] stands, its content behind it; None when the region ends before."""
    found = card_region(card)
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
