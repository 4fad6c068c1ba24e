# SPDX-License-Identifier: Apache-2.0
"""An SD card in SPI mode over machine.SPI, with the extended block protocol.

Every wait has a deadline, every block a checksum.

Source: SD Physical Layer Simplified Specification, chapter 7.
"""

from time import sleep_ms, ticks_diff, ticks_ms

from tercet_device.errors import DeviceError

_READ_DEADLINE_MS = 300
_WRITE_DEADLINE_MS = 600
_ATTEMPTS = 3
_TOKEN, _TOKEN_MULTI, _STOP = 0xFE, 0xFC, 0xFD


def crc7(data):
    """The card's command checksum with its end bit."""
    crc = 0
    for byte in data:
        for bit in range(7, -1, -1):
            crc = crc << 1 ^ (0x09 if (crc >> 6 ^ byte >> bit) & 1 else 0)
        crc &= 0x7F
    return crc << 1 | 1


class SDCard:
    """A card behind `spi` (a machine.SPI) and `cs` (a machine.Pin). `kernels` offers crc16(buffer).

    Raises DeviceError with kind card_missing, card_unusable, card_protected, card_refused (a write that the card did
    not take), card_timeout, card_crc or card_range.
    """

    def __init__(self, spi, cs, kernels, baudrate=16_000_000):
        self._spi, self._cs, self._crc16 = spi, cs, kernels.crc16
        self._frame = bytearray(6)
        self._byte = bytearray(1)
        self._tail = bytearray(2)
        self._block = bytearray(512)
        self.retries = 0
        cs.init(cs.OUT, value=1)
        spi.init(baudrate=250_000, polarity=0, phase=0)
        self._start()
        spi.init(baudrate=baudrate, polarity=0, phase=0)

    def _start(self):
        self._spi.write(b"\xff" * 16)
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

    def _capacity(self):
        csd = bytearray(16)
        self._select()
        try:
            if self._send(9, 0):
                raise DeviceError("card_unusable", "the card does not tell its size")
            self._receive(csd)
        finally:
            self._release()
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
            if token == _TOKEN:
                break
            if token != 0xFF:
                raise DeviceError("card_refused", "the card refused a read (error token %02x)" % token)
            if ticks_diff(ticks_ms(), begun) > _READ_DEADLINE_MS:
                raise DeviceError("card_timeout", "no data after %d ms" % _READ_DEADLINE_MS)
        self._spi.readinto(buffer, 0xFF)
        self._spi.readinto(self._tail, 0xFF)
        if self._crc16(buffer) != self._tail[0] << 8 | self._tail[1]:
            raise DeviceError("card_crc", "a block arrived damaged")

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

    # -- blocks

    def _retry(self, action, block, view):
        """`action` again after a damaged transfer, or a command that nobody heard, at most twice."""
        for attempt in range(_ATTEMPTS):
            try:
                return action(block, view)
            except DeviceError as error:
                if error.kind not in ("card_crc", "card_missing") or attempt == _ATTEMPTS - 1:
                    raise
                self.retries += 1

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
                    self._transmit(_TOKEN_MULTI if count > 1 else _TOKEN, view[512 * i : 512 * i + 512])
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

    def readblocks(self, block, buffer, offset=0):
        """Reads from `offset` of `block` on; the extended protocol allows any length."""
        if offset == 0 and len(buffer) % 512 == 0:
            self._retry(self._read, block, memoryview(buffer))
            return
        view, done = memoryview(buffer), 0
        while done < len(buffer):
            part = min(512 - offset, len(buffer) - done)
            self._retry(self._read, block, memoryview(self._block))
            view[done : done + part] = self._block[offset : offset + part]
            block, offset, done = block + 1, 0, done + part

    def writeblocks(self, block, buffer, offset=0):
        """Writes from `offset` of `block` on; part of a block is read, changed and written."""
        if offset == 0 and len(buffer) % 512 == 0:
            self._retry(self._write, block, memoryview(buffer))
            return
        view, done = memoryview(buffer), 0
        while done < len(buffer):
            part = min(512 - offset, len(buffer) - done)
            self._retry(self._read, block, memoryview(self._block))
            self._block[offset : offset + part] = view[done : done + part]
            self._retry(self._write, block, memoryview(self._block))
            block, offset, done = block + 1, 0, done + part

    def ioctl(self, operation, argument):
        """4: number of blocks, 5: block size, 6: erase (nothing to do), others: 0."""
        return self.blocks if operation == 4 else 512 if operation == 5 else 0
