# SPDX-License-Identifier: Apache-2.0
"""Compressed models on the board: checks a file and decodes its tensors, bit for bit as the host does.

    packed = Packed(open("model.trz", "rb").read())
    packed.head["l"]                # the layers
    packed.records[0].values()      # the stored values of the first tensor, zeros included

The layout stands in docs/compression.md. Decoding here is plain Python; `classify.py` uses the native module for speed.
"""

import binascii
import json

from tercet_device.errors import DeviceError

CODED, SPARSE, COLUMNS, TRIMMED = 1, 2, 4, 8
WIDTHS = (4, 2, 2, 1)


def _bad(text):
    raise DeviceError("packed", "compressed file: " + text)


def _number(data, at, width):
    return int.from_bytes(bytes(data[at : at + width]), "little")


class Huffman:
    """A canonical decoder; `lengths` are four bits a symbol, the lower half of a byte first."""

    def __init__(self, lengths, count):
        each = [lengths[i >> 1] >> (4 * (i & 1)) & 15 for i in range(count)]
        self.symbols = bytes([s for n in range(1, 16) for s in range(count) if each[s] == n])
        self.counts = [0] * 16
        total = 0
        for n in each:
            if n:
                self.counts[n] += 1
                total += 1 << (15 - n)
        used = len(self.symbols)
        if used and not (total == 1 << 15 if used > 1 else self.counts[1] == 1):
            _bad("its code lengths make no code")


class Bits:
    """A stream of codes."""

    def __init__(self, data):
        self.data = data
        self.at = 0
        self.end = 8 * len(data)

    def next(self, huffman):
        data, at, counts = self.data, self.at, huffman.counts
        code = first = index = 0
        for length in range(1, 16):
            if at >= self.end:
                _bad("a stream ends too early")
            code |= data[at >> 3] >> (7 - (at & 7)) & 1
            at += 1
            count = counts[length]
            if code - first < count:
                self.at = at
                return huffman.symbols[index + code - first]
            index += count
            first = (first + count) << 1
            code <<= 1
        _bad("a stream holds an unknown code")


def _alive(bits, count):
    return [i for i in range(count) if bits is None or bits[i >> 3] >> (i & 7) & 1]


class Record:
    """One tensor in the file: its head as attributes, `offset` and `size` within the file's body."""

    def __init__(self, data, at):
        self.data, self.offset, self.at = data, at, at
        flags = self._take(1)[0]
        self.flags, self.kind = flags & 15, flags >> 4
        fraction = self._take(1)[0]
        self.fraction = fraction - 256 if fraction > 127 else fraction
        self.rows, self.columns = self._count(2), self._count(2)
        if self.kind > 3 or self.rows * self.columns > 1 << 24:
            _bad("a tensor's head is wrong")
        self.width = WIDTHS[self.kind]
        self.row_bits = self.column_bits = None
        if not self.flags & (CODED | SPARSE):
            self.stream = self._take(self.rows * self.columns * self.width)
        else:
            self._stream()
        self.size = self.at - self.offset

    def _take(self, count):
        if self.at + count > len(self.data):
            _bad("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def _count(self, width):
        return _number(self._take(width), 0, width)

    def _stream(self):
        if self.flags & CODED:
            self.entries = self._count(1) + 1
            self.book = self._take(self.entries * self.width)
            self.value_codes = Huffman(self._take((self.entries + 1) // 2), self.entries)
        if self.flags & SPARSE:
            self.gap_symbols = self._count(1) + 1
            self.gap_codes = Huffman(self._take((self.gap_symbols + 1) // 2), self.gap_symbols)
            self.nonzeros = self._count(3)
            if self.flags & TRIMMED:
                self.row_bits = self._take((self.rows + 7) // 8)
                self.column_bits = self._take((self.columns + 7) // 8)
        self.stream = self._take(self._count(3))
        if not self.flags & CODED:
            self.book = self._take(self.nonzeros * self.width)

    def places(self):
        """(place in the tensor, place in `book`) of each value that the stream holds."""
        bits = Bits(self.stream)
        if not self.flags & SPARSE:
            for at in range(self.rows * self.columns):
                yield at, bits.next(self.value_codes)
            return
        rows, columns = _alive(self.row_bits, self.rows), _alive(self.column_bits, self.columns)
        width, at, end, escape = len(columns), -1, len(rows) * len(columns), self.gap_symbols - 1
        for number in range(self.nonzeros):
            gap = bits.next(self.gap_codes)
            while gap == escape:
                at += gap
                gap = bits.next(self.gap_codes)
            at += gap + 1
            if at >= end:
                _bad("a value stands outside its tensor")
            if self.flags & COLUMNS:
                place = rows[at % len(rows)] * self.columns + columns[at // len(rows)]
            else:
                place = rows[at // width] * self.columns + columns[at % width]
            yield place, bits.next(self.value_codes) if self.flags & CODED else number

    def values(self):
        """All values as stored, `width` bytes each: f32, f16, i16 or i8 by `kind`, little endian."""
        if not self.flags & (CODED | SPARSE):
            return bytearray(self.stream)
        width, book = self.width, self.book
        out = bytearray(self.rows * self.columns * width)
        for place, code in self.places():
            out[place * width : (place + 1) * width] = book[code * width : (code + 1) * width]
        return out


class Packed:
    """A compressed file in memory: `head` (its description) and `records` (its tensors, in the order of the layers)."""

    def __init__(self, data):
        data = memoryview(data)
        if len(data) < 14 or bytes(data[:4]) != b"TRZ1" or _number(data, 4, 4) != len(data):
            _bad("not one, or cut")
        if binascii.crc32(data[12:], binascii.crc32(data[4:8])) & 0xFFFFFFFF != _number(data, 8, 4):
            _bad("damaged: its CRC-32 is wrong")
        at = 14 + _number(data, 12, 2)
        self.head = json.loads(bytes(data[14:at]))
        self.records = []
        while at < len(data):
            self.records.append(Record(data, at))
            at += self.records[-1].size
