# SPDX-License-Identifier: Apache-2.0
"""An SD card in SPI mode: its initialisation and commands, and the extended block protocol on top of whole blocks.

Source: SD Physical Layer Simplified Specification, chapter 7.
"""

from time import sleep_ms, ticks_diff, ticks_ms

from tercet_device.errors import DeviceError

ATTEMPTS = 3
_READ_DEADLINE_MS = 300
TOKEN = 0xFE
BLOCK_BYTES = 512


def crc7(data):
    """The card's command checksum with its end bit."""
    crc = 0
    for byte in data:
        for bit in range(7, -1, -1):
            crc = crc << 1 ^ (0x09 if (crc >> 6 ^ byte >> bit) & 1 else 0)
        crc &= 0x7F
    return crc << 1 | 1


class Card:
    """A card behind `spi` (a machine.SPI) and `cs` (a machine.Pin). `kernels` offers crc16(buffer).

    A driver adds `read(block, view)` and `write(block, view)` of whole blocks, and `reaches(buffer)`: whether it can move them
    from and into that buffer.

    Raises DeviceError with kind card_missing, card_unusable, card_protected, card_refused (a write that the card did
    not take), card_timeout, card_crc or card_range.
    """

    def __init__(self, spi, cs, kernels, baudrate=16_000_000):
        self._spi, self._cs, self._crc16 = spi, cs, kernels.crc16
        self._frame = bytearray(6)
        self._byte = bytearray(1)
        self._tail = bytearray(2)
        self._block = memoryview(bytearray(BLOCK_BYTES))
        self.retries, self.hz = 0, baudrate
        cs.init(cs.OUT, value=1)
        self.start()

    def rate(self):
        """(bits a second on the bus now, whether errors have lowered it)"""
        return self.hz, False

    def start(self):
        """Brings the card from any state to the transfer of blocks at its default speed."""
        self._spi.init(baudrate=250_000, polarity=0, phase=0)
        self._begin()
        self._spi.init(baudrate=self.hz, polarity=0, phase=0)

    def _begin(self):
        self._spi.write(b"\xff" * 16)
        for attempt in range(ATTEMPTS):
            try:
                return self._identify()
            except DeviceError:
                if attempt == ATTEMPTS - 1:
                    raise
            self._calm()

    def _calm(self):
        """Brings a card to rest that may still send or await blocks, as after a reset or a command that it did not hear."""
        self._select()
        try:
            self._idle()
            self._send(12, 0)
        except DeviceError:
            # what came was no response
            pass
        self._idle()
        self._release()

    def _idle(self):
        """Clocks for longer than a block takes."""
        for _ in range(34):
            self._spi.write(b"\xff" * 16)

    def _identify(self):
        for _ in range(5):
            if self._command(0, 0) == 1:
                break
        else:
            raise DeviceError("card_missing", "no card answers on the bus")
        echo = bytearray(4)
        version2 = self._command(8, 0x1AA, echo) == 1
        if version2 and echo[2:] != b"\x01\xaa":
            raise DeviceError("card_unusable", "the card does not run at 3.3 V")
        self._command(59, 1)
        begun = ticks_ms()
        while True:
            self._command(55, 0)
            if self._command(41, 0x40000000 if version2 else 0) == 0:
                break
            if ticks_diff(ticks_ms(), begun) > 1500:
                raise DeviceError("card_timeout", "the card does not finish its initialisation")
            sleep_ms(5)
        ocr = bytearray(4)
        self._command(58, 0, ocr)
        self._unit = 1 if ocr[0] & 0x40 else 512
        if self._unit == 512:
            self._command(16, 512)
        self.blocks = self._capacity()

    def answer(self, command, argument, buffer):
        """Sends a command that a block of data answers and returns its response; `buffer` is filled when that is 0."""
        self._select()
        try:
            response = self._send(command, argument)
            if not response:
                self._receive(buffer)
            return response
        finally:
            self._release()

    def _capacity(self):
        csd = bytearray(16)
        if self.answer(9, 0, csd):
            raise DeviceError("card_unusable", "the card does not tell its size")
        if csd[0] >> 6 == 1:
            return ((csd[7] & 0x3F) << 16 | csd[8] << 8 | csd[9]) * 1024 + 1024
        size = (csd[6] & 3) << 10 | csd[7] << 2 | csd[8] >> 6
        return (size + 1) << ((csd[9] & 3) << 1 | csd[10] >> 7) + 2 + (csd[5] & 15) - 9

    # -- the wires

    def _select(self):
        self._cs(0)

    def _release(self):
        self._cs(1)
        self._spi.write(b"\xff")

    def _next(self):
        self._spi.readinto(self._byte, 0xFF)
        return self._byte[0]

    def _send(self, command, argument):
        """Sends a command on the selected card and returns its R1 response."""
        frame = self._frame
        frame[0] = 0x40 | command
        for i in range(4):
            frame[1 + i] = argument >> (24 - 8 * i) & 0xFF
        frame[5] = crc7(frame[:5])
        self._spi.write(frame)
        if command == 12:
            self._next()
        for _ in range(16):
            response = self._next()
            if not response & 0x80:
                if response & 0x08:
                    raise DeviceError("card_crc", "the card saw a damaged command %d" % command)
                return response
        if command == 0:
            return 0xFF
        raise DeviceError("card_missing", "the card stopped answering at command %d" % command)

    def _command(self, command, argument, rest=None):
        self._select()
        try:
            response = self._send(command, argument)
            if rest is not None:
                self._spi.readinto(rest, 0xFF)
            return response
        finally:
            self._release()

    def _receive(self, buffer):
        """Waits for a data token and reads a block into `buffer`."""
        begun = ticks_ms()
        while True:
            token = self._next()
            if token == TOKEN:
                break
            if token != 0xFF:
                raise DeviceError("card_refused", "the card refused a read (error token %02x)" % token)
            if ticks_diff(ticks_ms(), begun) > _READ_DEADLINE_MS:
                raise DeviceError("card_timeout", "no data after %d ms" % _READ_DEADLINE_MS)
        self._spi.readinto(buffer, 0xFF)
        self._spi.readinto(self._tail, 0xFF)
        if self._crc16(buffer) != self._tail[0] << 8 | self._tail[1]:
            raise DeviceError("card_crc", "a block arrived damaged")

    # -- blocks

    def reaches(self, buffer):
        return True

    def readblocks(self, block, buffer, offset=0):
        """Reads from `offset` of `block` on; the extended protocol allows any length."""
        view, done = memoryview(buffer), 0
        if offset == 0 and len(buffer) % BLOCK_BYTES == 0 and self.reaches(buffer):
            return self.read(block, view)
        while done < len(buffer):
            part = min(BLOCK_BYTES - offset, len(buffer) - done)
            self.read(block, self._block)
            view[done : done + part] = self._block[offset : offset + part]
            block, offset, done = block + 1, 0, done + part

    def writeblocks(self, block, buffer, offset=0):
        """Writes from `offset` of `block` on; part of a block is read, changed and written."""
        view, done = memoryview(buffer), 0
        if offset == 0 and len(buffer) % BLOCK_BYTES == 0 and self.reaches(buffer):
            return self.write(block, view)
        while done < len(buffer):
            part = min(BLOCK_BYTES - offset, len(buffer) - done)
            if part < BLOCK_BYTES:
                self.read(block, self._block)
            self._block[offset : offset + part] = view[done : done + part]
            self.write(block, self._block)
            block, offset, done = block + 1, 0, done + part

    def ioctl(self, operation, argument):
        """4: number of blocks, 5: block size, 6: erase (nothing to do), others: 0."""
        return self.blocks if operation == 4 else BLOCK_BYTES if operation == 5 else 0
