# SPDX-License-Identifier: Apache-2.0
"""A model of Adafruit's serial DFU bootloader on a pty, from the description of the legacy DFU protocol (nRF5 SDK 11).

Frames are SLIP: four header bytes (sequence numbers and flags, type and length, checksum), payload, CRC-16. Each is
acknowledged with the next sequence number. Packets: 3 start (mode, sizes), 1 init (the .dat file), 4 data, 5 stop.
"""

import contextlib
import os
import pty
import select
import struct
import threading
import tty


def crc16(data, crc=0xFFFF):
    for byte in data:
        crc = (crc >> 8 & 0xFF) | (crc << 8 & 0xFFFF)
        crc ^= byte
        crc ^= (crc & 0xFF) >> 4
        crc ^= crc << 12 & 0xFFFF
        crc ^= (crc & 0xFF) << 5
    return crc & 0xFFFF


class Bootloader:
    """Collects an application in `flash`; `done` is set by the stop packet. A frame with a wrong CRC is not acknowledged."""

    def __init__(self, *, deaf=False):
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.flash, self.init, self.size, self.deaf = bytearray(), b"", None, deaf
        self.done = threading.Event()
        self._end = threading.Event()
        self._expected = 1
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        frame = None
        with contextlib.suppress(OSError):
            while not self._end.is_set():
                if not select.select([self.master], [], [], 0.05)[0]:
                    continue
                for byte in os.read(self.master, 4096):
                    if byte == 0xC0:
                        if frame:
                            self._frame(frame)
                            frame = None
                        else:
                            frame = bytearray()
                    elif frame is not None:
                        frame.append(byte)

    def _frame(self, raw):
        data = bytes(raw).replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
        if self.deaf or len(data) < 6 or crc16(data[:-2]) != struct.unpack("<H", data[-2:])[0] or sum(data[:4]) & 0xFF:
            return
        sequence = data[0] & 7
        if sequence == self._expected:
            self._expected = (sequence + 1) % 8
            self._packet(data[4:-2])
        ack = bytes([self._expected << 3, 0, 0])
        os.write(self.master, b"\xc0" + ack + bytes([-sum(ack) & 0xFF]) + b"\xc0")

    def _packet(self, payload):
        kind = struct.unpack_from("<I", payload)[0]
        if kind == 3:
            _, mode, _, _, self.size = struct.unpack("<5I", payload)
            assert mode == 4, mode
        elif kind == 1:
            self.init = payload[4:]
        elif kind == 4:
            self.flash += payload[4:]
        elif kind == 5:
            self.done.set()

    def close(self):
        self._end.set()
        self._thread.join(5)
        for handle in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(handle)
