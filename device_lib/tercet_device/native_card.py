# SPDX-License-Identifier: Apache-2.0
"""The card with its block transfers in native code. Initialisation stays in Python."""

from array import array

import tercet_card
from uctypes import addressof

from tercet_device.card import Card
from tercet_device.errors import DeviceError

_ATTEMPTS = 3
_RAM = 0x20000000
_DEADLINE_MS = 600
KINDS = {
    -1: ("card_missing", "the card stopped answering"),
    -2: ("card_refused", "the card refused the transfer"),
    -3: ("card_timeout", "the card did not get ready in time"),
    -4: ("card_crc", "a block or a command arrived damaged"),
    -5: ("card_protected", "the card is write-protected"),
    -6: ("card_range", "the card has no such block"),
}


class NativeCard(Card):
    """`native` holds [SPIM base, CS set register, CS clear register, CS mask, frequency, SCK, MOSI, MISO].

    `begin` starts a transfer and `collect` waits for its end, so that computation can lie between them.
    """

    def __init__(self, spi, cs, kernels, baudrate, native):
        super().__init__(spi, cs, kernels, baudrate)
        self.job = bytearray(tercet_card.JOB_BYTES)
        self._port = array("I", native + [self._unit, baudrate // 8000 * _DEADLINE_MS])
        self.send_from(bytearray(tercet_card.SLOT_BYTES))
        self._under_way = self.pager = None

    def send_from(self, slot):
        """Makes `slot` the memory from which everything is sent."""
        self._slot = slot
        tercet_card.setup(self.job, self._port, slot)

    def begin(self, write, block, view):
        """Starts to move whole blocks between the card and `view`, which must stay where it is until `collect`."""
        if self.pager:
            self.pager.drain()
        self._under_way = (write, block, view)
        tercet_card.start(self.job, write, block, view)

    def advance(self):
        """Moves the transfer on; True when `collect` would not wait."""
        return tercet_card.advance(self.job) != 1

    def collect(self):
        """Waits for the end of the transfer; one that was damaged, or that nobody heard, is made again, at most twice."""
        write, block, view = self._under_way
        self._under_way = None
        for attempt in range(_ATTEMPTS):
            result = tercet_card.finish(self.job)
            if result == 0:
                return
            if result not in (-1, -4) or attempt == _ATTEMPTS - 1:
                break
            self.retries += 1
            tercet_card.start(self.job, write, block, view)
        kind, text = KINDS[result]
        raise DeviceError(kind, "%s (block %d)" % (text, block))

    def reaches(self, buffer):
        """Whether DMA does; it does not read flash."""
        return addressof(buffer) >= _RAM

    def read(self, block, view):
        self.begin(0, block, view)
        self.collect()

    def write(self, block, view):
        self.begin(1, block, view)
        self.collect()
