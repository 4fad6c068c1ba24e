# SPDX-License-Identifier: Apache-2.0
"""The data set on the board: a packed file whose samples are read in shuffled order, a row at a time.

    "TDS2" | six u32: samples, training samples, features, value bytes (1: u8, 4: f32), label bytes, classes
    | scale, offset: f32 | rows | labels

Each row and each label has its CRC-32 behind it: a card may forget a bit and not notice. "TDS1" is the same without.
"""

import struct
from array import array

from tercet_device.errors import DeviceError
from tercet_device.kernels import copy
from tercet_device.order import Order

_HEADER = "<4sIIIIIIff"
# the CRC-32 of bytes that have their own CRC-32 behind them
_RIGHT = 0x2144DF1C
_ATTEMPTS = 3


class DataSet:
    """An open data set: a file, or `stream` that reads like one.

    Raises DeviceError("data") when the file is missing, truncated or of another kind.
    """

    def __init__(self, path, stream=None):
        try:
            self._file = stream or open(path, "rb")
            self.leaves_views = stream is not None
        except OSError:
            raise DeviceError("data", "%s: no such file" % path)
        head = self._file.read(struct.calcsize(_HEADER))
        if len(head) < struct.calcsize(_HEADER) or head[:4] not in (b"TDS1", b"TDS2"):
            raise DeviceError("data", "%s: not a packed data set" % path)
        (_, self.count, self.training, self.features, self.value_bytes, self.label_bytes, self.classes,
         scale, offset) = struct.unpack(_HEADER, head)
        self.scale = array("f", [scale, offset])
        row_bytes = self.features * self.value_bytes
        check = 4 if head[:4] == b"TDS2" else 0
        self._crc32, self.retries = None, 0
        if check:
            from tercet_device import kernels

            self._crc32 = kernels.crc32
        self._row, self._label = bytearray(row_bytes + check), bytearray(self.label_bytes + check)
        self._row_value, self._label_value = memoryview(self._row)[:row_bytes], memoryview(self._label)[: self.label_bytes]
        self._rows = len(head)
        self._labels = self._rows + self.count * len(self._row)
        if self._file.seek(0, 2) != self._labels + self.count * len(self._label):
            raise DeviceError("data", "%s: truncated" % path)
        self.order = Order(self.training)

    def row(self, sample):
        """The values of a sample as they are stored; the next call writes over them."""
        self._fetch(self._rows + sample * len(self._row), self._row, sample)
        return self._row_value

    def read_rows(self, arena, offset, samples, kernels):
        """Writes the rows of `samples` (indices) as f32 from `offset` on."""
        row = self._row_value
        for sample in samples:
            self.row(sample)
            if self.value_bytes == 1:
                kernels.u8_to_f32(arena, offset, row, self.scale)
            else:
                copy(arena, offset, row)
            offset += self.features * 4

    def read_labels(self, arena, offset, samples, nbytes):
        """Writes the labels of `samples` from `offset` on, `nbytes` each."""
        if nbytes != self.label_bytes:
            raise DeviceError("data", "labels of %d bytes, the plan expects %d" % (self.label_bytes, nbytes))
        for sample in samples:
            self._fetch(self._labels + sample * len(self._label), self._label, sample)
            copy(arena, offset, self._label_value)
            offset += nbytes

    def _fetch(self, at, buffer, sample):
        """Reads a row or label with its checksum; one that does not fit is read again, at most twice."""
        f = self._file
        for _ in range(_ATTEMPTS):
            # Where the last read ended with a block, littlefs up to 2.8 may take it for the next one; not by way of another.
            f.seek(0)
            f.seek(at)
            if f.readinto(buffer) == len(buffer) and (not self._crc32 or self._crc32(buffer) == _RIGHT):
                return
            self.retries += 1
            if hasattr(f, "forget"):
                f.forget()
        raise DeviceError("data", "sample %d cannot be read, or fails its checksum" % sample)
