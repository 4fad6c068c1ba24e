# SPDX-License-Identifier: Apache-2.0
"""The data set on the board: a packed file whose samples are read in shuffled order, a row at a time.

    "TDS1" | six u32: samples, training samples, features, value bytes (1: u8, 4: f32), label bytes, classes
    | scale, offset: f32 | rows | labels
"""

import struct
from array import array

from tercet_device.errors import DeviceError
from tercet_device.kernels import copy

_HEADER = "<4sIIIIIIff"
# a such that a * 2^16 - 1 and a * 2^15 - 1 are prime: the longest period of multiply-with-carry (Marsaglia).
MULTIPLIER = 16380
_reserved = []


def reserve(samples):
    """Takes the memory of an order of `samples` while the heap is whole."""
    _reserved[:] = [array("H", range(samples))]


def reserved_bytes():
    """What `reserve` holds back."""
    return sum(2 * len(order) for order in _reserved)


class DataSet:
    """An open data set: a file, or `stream` that reads like one.

    Raises DeviceError("data") when the file is missing, truncated or of another kind.
    """

    def __init__(self, path, stream=None):
        try:
            self._file = stream or open(path, "rb")
        except OSError:
            raise DeviceError("data", "%s: no such file" % path)
        head = self._file.read(struct.calcsize(_HEADER))
        if len(head) < struct.calcsize(_HEADER) or head[:4] != b"TDS1":
            raise DeviceError("data", "%s: not a packed data set" % path)
        (_, self.count, self.training, self.features, self.value_bytes, self.label_bytes, self.classes,
         scale, offset) = struct.unpack(_HEADER, head)
        self.scale = array("f", [scale, offset])
        self._rows = len(head)
        self._row_bytes = self.features * self.value_bytes
        self._labels = self._rows + self.count * self._row_bytes
        if self._file.seek(0, 2) != self._labels + self.count * self.label_bytes:
            raise DeviceError("data", "%s: truncated" % path)
        self._row, self._label = bytearray(self._row_bytes), bytearray(self.label_bytes)
        fits = _reserved and len(_reserved[0]) == self.training
        self.order = _reserved.pop() if fits else array("H", range(self.training))

    def shuffle(self, seed):
        """A new order of the training samples and the generator's next state.

        Fisher-Yates from the inside out, which needs no order before it: a seed alone tells an epoch's order. The
        multiply-with-carry generator stays below 2^30, so that no big integer is made; the host computes the same.
        """
        state, order = seed, self.order
        order[0] = 0
        for i in range(1, len(order)):
            state = MULTIPLIER * (state & 0xFFFF) + (state >> 16)
            j = state % (i + 1)
            order[i] = order[j]
            order[j] = i
        return state

    def read_rows(self, arena, offset, samples, kernels):
        """Writes the rows of `samples` (indices) as f32 from `offset` on."""
        f = self._file
        row = self._row
        rows = self._rows
        row_bytes = self._row_bytes
        for sample in samples:
            f.seek(rows + sample * row_bytes)
            if f.readinto(row) != row_bytes:
                raise DeviceError("data", "sample %d could not be read" % sample)
            if self.value_bytes == 1:
                kernels.u8_to_f32(arena, offset, row, self.scale)
            else:
                copy(arena, offset, row)
            offset += self.features * 4

    def read_labels(self, arena, offset, samples, nbytes):
        """Writes the labels of `samples` from `offset` on, `nbytes` each."""
        f = self._file
        label = self._label
        if nbytes != self.label_bytes:
            raise DeviceError("data", "labels of %d bytes, the plan expects %d" % (self.label_bytes, nbytes))
        for sample in samples:
            f.seek(self._labels + sample * nbytes)
            if f.readinto(label) != nbytes:
                raise DeviceError("data", "label of sample %d could not be read" % sample)
            copy(arena, offset, label)
            offset += nbytes
