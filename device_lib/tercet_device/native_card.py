# SPDX-License-Identifier: Apache-2.0
"""The card with its block transfers in native code. Initialisation stays in Python."""

from array import array

import tercet_card
from uctypes import addressof

from tercet_device.card import ATTEMPTS, Card
from tercet_device.errors import DeviceError

_TRIES = 48
_PROTECTED = -5
_RAM = 0x20000000
DEADLINE_MS = 600
# IFTIMING.RXDELAY after a reset
_DELAY = 2
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

    `begin` starts a transfer and `collect` waits for its end, so that computation can lie between them. `card_speed` may raise
    the rate to `fast_hz`; errors lower it again.
    """

    fast_hz = 0

    def __init__(self, spi, cs, kernels, baudrate, native):
        super().__init__(spi, cs, kernels, baudrate)
        self.job = bytearray(tercet_card.JOB_BYTES)
        # the frequency stands apart, with what else belongs to a rate
        self.port = array("I", native[:4] + native[5:] + [self._unit])
        self.port.extend(array("I", (native[4], baudrate // 8000 * DEADLINE_MS, _DELAY, 0, 0, 0)))
        self.send_from(bytearray(tercet_card.SLOT_BYTES))
        self.keep_apart(self.job)
        self._under_way = self.pager = None

    def send_from(self, slot):
        """Makes `slot` the memory from which everything is sent."""
        self.slot = slot
        tercet_card.setup(self.job, self.port, slot)

    def rate(self):
        """(bits a second on the bus now, whether errors have lowered it)"""
        lowered = tercet_card.lowered(self.job)
        return (self.fast_hz if self.fast_hz and not lowered else self.hz), lowered

    def keep_apart(self, *buffers):
        """Sends from RAM blocks that hold none of `buffers`, nor the driver's code.

        SPIM3 sends wrong data when another master touches the block meanwhile (errata 195 and 198). While a transfer is waited
        for, that is all that is touched of the heap; where computation goes on, a whole block is needed (`ram_block`).
        """
        slot, pads = self.slot, []
        try:
            for _ in range(_TRIES):
                if tercet_card.apart(slot, *buffers):
                    return self.send_from(slot)
                pads.append(slot)
                slot = bytearray(tercet_card.SLOT_BYTES)
        except MemoryError:
            # the card's own checksum notices what is sent wrong, and it is sent again
            pass

    def begin(self, write, block, view):
        """Starts to move whole blocks between the card and `view`, which must stay where it is until `collect`.

        To write while anything else goes on needs `send_from` a block of RAM.
        """
        if self.pager:
            self.pager.drain()
        self._under_way = (write, block, view)
        tercet_card.start(self.job, write, block, view)

    def advance(self):
        """Moves the transfer on; True when `collect` would not wait."""
        return tercet_card.advance(self.job) != 1

    def collect(self):
        """Waits for the end of the transfer."""
        under_way, self._under_way = self._under_way, None
        self._settle(tercet_card.finish(self.job), under_way)

    def _move(self, *move):
        if self.pager:
            self.pager.drain()
        self._settle(tercet_card.transfer(self.job, *move), move)

    def _settle(self, result, move):
        """A transfer that failed is made again, at most twice, unless the card is write-protected.

        A command that was not heard can make the card's next answers mean anything.
        """
        for _ in range(ATTEMPTS - 1):
            if result == 0 or result == _PROTECTED:
                break
            self.retries += 1
            result = tercet_card.transfer(self.job, *move)
        if result:
            kind, text = KINDS[result]
            raise DeviceError(kind, "%s (block %d)" % (text, move[1]))

    def reaches(self, buffer):
        """Whether DMA does; it does not read flash."""
        return addressof(buffer) >= _RAM

    def read(self, block, view):
        self._move(0, block, view)

    def write(self, block, view):
        self._move(1, block, view)
