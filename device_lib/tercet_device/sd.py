# SPDX-License-Identifier: Apache-2.0
"""An SD card whose blocks move over machine.SPI: for every port.

Every wait has a deadline, every block a checksum.
"""

from time import ticks_diff, ticks_ms

from tercet_device.card import ATTEMPTS, TOKEN, Card
from tercet_device.errors import DeviceError

_WRITE_DEADLINE_MS = 600
_TOKEN_MULTI = 0xFC


class SDCard(Card):
    """The portable driver; see `Card` for its errors."""

    def read(self, block, view):
        self._retry(self._read, block, view)

    def write(self, block, view):
        self._retry(self._write, block, view)

    def _ready(self):
        begun = ticks_ms()
        while self._next() != 0xFF:
            if ticks_diff(ticks_ms(), begun) > _WRITE_DEADLINE_MS:
                raise DeviceError("card_timeout", "still busy after %d ms" % _WRITE_DEADLINE_MS)

    def _transmit(self, token, block):
        """Sends a block and raises unless the card takes it."""
        crc = self._crc16(block)
        self._tail[0], self._tail[1] = crc >> 8, crc & 0xFF
        self._byte[0] = token
        self._spi.write(self._byte)
        self._spi.write(block)
        self._spi.write(self._tail)
        response = self._next() & 0x1F
        if response == 0x0B:
            raise DeviceError("card_crc", "the card received a damaged block")
        if response != 0x05:
            raise DeviceError(
                "card_protected" if response == 0x0D else "card_refused", "the card refused a write (%02x)" % response)
        self._ready()

    def _retry(self, action, block, view):
        """`action` again after a failure, at most twice, unless the card is write-protected."""
        for attempt in range(ATTEMPTS):
            try:
                return action(block, view)
            except DeviceError as error:
                if error.kind == "card_protected" or attempt == ATTEMPTS - 1:
                    raise
                self.retries += 1
                self._calm()

    def _read(self, block, view):
        count = len(view) // 512
        self._select()
        try:
            if self._send(18 if count > 1 else 17, block * self._unit):
                raise DeviceError("card_range", "the card refuses to read block %d" % block)
            try:
                for i in range(count):
                    self._receive(view[512 * i : 512 * i + 512])
            finally:
                if count > 1:
                    self._send(12, 0)
                    self._ready()
        finally:
            self._release()

    def _write(self, block, view):
        count = len(view) // 512
        if count > 1:
            self._command(55, 0)
            self._command(23, count)
        self._select()
        try:
            if self._send(25 if count > 1 else 24, block * self._unit):
                raise DeviceError("card_range", "the card refuses to write block %d" % block)
            try:
                for i in range(count):
                    self._transmit(_TOKEN_MULTI if count > 1 else TOKEN, view[512 * i : 512 * i + 512])
            except DeviceError:
                if count > 1:
                    self._send(12, 0)
                    self._ready()
                raise
            if count > 1:
                self._spi.write(b"\xfd\xff")
                self._ready()
        finally:
            self._release()
        self._verify_status(block)

    def _verify_status(self, block):
        status = bytearray(1)
        first = self._command(13, 0, status)
        if status[0] & 0x20 or status[0] & 0x02:
            raise DeviceError("card_protected", "the card is write-protected")
        if first or status[0]:
            raise DeviceError(
                "card_refused", "status %02x%02x after a write at block %d" % (first, status[0], block))
