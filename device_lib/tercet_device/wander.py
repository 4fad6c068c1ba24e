# SPDX-License-Identifier: Apache-2.0
"""Where in their room on the card pages begin: by chance, since what is written again and again wears out the same blocks.

Loaded when a run begins, and now and then in its course.
"""

from tercet_device import trace
from tercet_device.chance import random_bytes
from tercet_device.store import PLACE_BLOCKS


def begin(store):
    """Lets a BlockStore begin at one of its places."""
    if store.places > 1:
        store.first = store.low + int.from_bytes(random_bytes(3), "little") % store.places * PLACE_BLOCKS
    trace.emit("pages", first_block=store.first, blocks=store.blocks)


def move(pager):
    """Lets the pages of a run go on at another place; none may be there, since they stay behind."""
    store = pager.store
    if getattr(store, "places", 1) > 1:
        if pager.hook:
            pager.drain()
        begin(store)
        if pager.hook:
            pager.open()
