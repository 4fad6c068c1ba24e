# SPDX-License-Identifier: Apache-2.0
"""One tensor of a compressed file: the smallest of its possible codings, found by looking at the values alone.

Layout, little endian:

    u8  flags        1 coded, 2 sparse, 4 column order, 8 dead rows and columns left out; bits 4..5 kind of the values
    i8  fraction     fixed values are integers times 2^-fraction
    u16 rows, u16 columns            the tensor as a matrix: first axis, all others
    coded:      u8 values in the codebook - 1, the codebook, its code lengths (four bits each)
    sparse:     u8 gap symbols - 1, their code lengths, u24 non-zeros
    trimmed:    a bit per row, then a bit per column: 1 = alive (least significant bit first)
    either:     u24 bytes of the stream, the stream
    not coded:  the values: all of them, or the non-zeros of a sparse tensor

A sparse stream holds for each non-zero its gap, the number of zeros since the last one, then, if coded, its codebook
entry. The last gap symbol stands for that many zeros without a value. Positions count along rows, or along columns, of
the living part of the matrix.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from tercet.compress.packed import huffman
from tercet.compress.packed.values import Kind, kind_of, narrowest
from tercet.errors import ArtifactError, InputError

CODED, SPARSE, COLUMNS, TRIMMED = 1, 2, 4, 8
MAX_ELEMENTS = 1 << 24
GAP_SYMBOLS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Coding:
    """The bytes of a tensor and the figures of its stream."""

    data: bytes
    flags: int
    stream_bits: int = 0
    entropy_bits: float = 0.0
    codebook: int = 0


def matrix(values: np.ndarray) -> np.ndarray:
    """The tensor as `[rows, columns]`: the first axis against all others; a vector is one row."""
    values = np.asarray(values, np.float32)
    return values.reshape(1, -1) if values.ndim < 2 else values.reshape(values.shape[0], -1)


def encode(values: np.ndarray, order: int | None = None) -> Coding:
    """The smallest coding of a tensor; -0 becomes 0. Raises InputError when it is too large for the format.

    `order` (COLUMNS or 0) asks for a sparse coding in that order, which a sparse kernel needs.
    """
    table = matrix(values) + np.float32(0)  # -0 + 0 = 0
    if max(table.shape) > 65535 or table.size > MAX_ELEMENTS:
        raise InputError(f"a tensor of {table.shape[0]} x {table.shape[1]} is too large for a compressed file")
    kind = narrowest(table)
    head = struct.pack("<bHH", kind.fraction, *table.shape)
    found = [Coding(bytes([kind.code << 4]) + head + kind.encode(table), kind.code << 4)]
    if 1 <= len(np.unique(table)) <= 256:
        found.append(_dense(table, kind))
    distinct = len(np.unique(table[table != 0]))
    if distinct:
        way = _best_order(table, (0, COLUMNS) if order is None else (order,))
        sparse = [_sparse(table, *way, coded) for coded in (False, True) if not coded or distinct <= 256]
        found = found + sparse if order is None else sparse
    return min(found, key=lambda coding: len(coding.data))


def _best_order(table: np.ndarray, orders: tuple[int, ...]) -> tuple[int, int]:
    """(order and trimming, gap symbols) of the sparse coding that is smallest by its entropy."""
    live = TRIMMED if not (table.any(0).all() and table.any(1).all()) else 0
    ways = []
    for flags in {order | trim for order in orders for trim in (0, live)}:
        positions = np.flatnonzero(_line(table, flags))
        bitmaps = 8 * (sum(table.shape) // 8 + 2) if flags & TRIMMED else 0
        for symbols in GAP_SYMBOLS:
            counts = np.bincount(gaps_of(positions, symbols)[0], minlength=symbols)
            ways.append((huffman.entropy_bits(counts) + 4 * symbols + bitmaps, flags, symbols))
    return min(ways)[1:]


def _line(table: np.ndarray, flags: int) -> np.ndarray:
    """The matrix, or its living part, as one line in the order of the flags."""
    part = table[table.any(1)][:, table.any(0)] if flags & TRIMMED else table
    return part.T.ravel() if flags & COLUMNS else part.ravel()


def _nibbles(lengths: np.ndarray) -> bytes:
    padded = np.append(lengths, 0)[: len(lengths) + len(lengths) % 2]
    return (padded[::2] | padded[1::2] << 4).astype(np.uint8).tobytes()


def _head(flags: int, kind: Kind, shape: tuple[int, ...]) -> bytes:
    return struct.pack("<BbHH", flags | kind.code << 4, kind.fraction, *shape)


def _book(kind: Kind, book: np.ndarray, lengths: np.ndarray) -> bytes:
    return bytes([len(book) - 1]) + kind.encode(book) + _nibbles(lengths)


def _dense(table: np.ndarray, kind: Kind) -> Coding:
    book, symbols = np.unique(table, return_inverse=True)
    counts = np.bincount(symbols.ravel())
    lengths = huffman.code_lengths(counts)
    stream = huffman.join(huffman.canonical_codes(lengths)[symbols.ravel()], lengths[symbols.ravel()])
    data = _head(CODED, kind, table.shape) + _book(kind, book, lengths) + _u24(len(stream)) + stream
    return Coding(data, CODED, int((counts * lengths).sum()), huffman.entropy_bits(counts), len(book))


def gaps_of(positions: np.ndarray, symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """The gap symbols of ascending positions, and for each symbol whether a value follows it."""
    distances = np.diff(positions, prepend=-1) - 1
    escapes, rest = distances // (symbols - 1), distances % (symbols - 1)
    ends = np.cumsum(escapes + 1)
    gaps = np.full(int(ends[-1]), symbols - 1, np.int64)
    gaps[ends - 1] = rest
    valued = np.zeros(len(gaps), bool)
    valued[ends - 1] = True
    return gaps, valued


def _sparse(table: np.ndarray, flags: int, gap_symbols: int, coded: bool = True) -> Coding:
    flags |= SPARSE | (CODED if coded else 0)
    line = _line(table, flags)
    positions = np.flatnonzero(line)
    book, values = np.unique(line[positions], return_inverse=True)
    kind = narrowest(book)
    gaps, valued = gaps_of(positions, gap_symbols)
    gap_counts, value_counts = np.bincount(gaps, minlength=gap_symbols), np.bincount(values)
    gap_lengths = huffman.code_lengths(gap_counts)
    value_lengths = huffman.code_lengths(value_counts) if coded else np.zeros(len(book), np.uint8)
    owner = np.cumsum(valued) - 1
    codes = np.stack([huffman.canonical_codes(gap_lengths)[gaps], np.zeros(len(gaps), np.int64)], 1)
    lengths = np.stack([gap_lengths[gaps].astype(np.int64), np.zeros(len(gaps), np.int64)], 1)
    codes[valued, 1] = huffman.canonical_codes(value_lengths)[values[owner[valued]]]
    lengths[valued, 1] = value_lengths[values[owner[valued]]]
    stream = huffman.join(codes.ravel(), lengths.ravel())
    data = _head(flags, kind, table.shape) + (_book(kind, book, value_lengths) if coded else b"")
    data += bytes([gap_symbols - 1]) + _nibbles(gap_lengths) + _u24(len(positions))
    if flags & TRIMMED:
        data += b"".join(np.packbits(table.any(axis), bitorder="little").tobytes() for axis in (1, 0))
    data += _u24(len(stream)) + stream + (b"" if coded else kind.encode(line[positions]))
    entropy = huffman.entropy_bits(gap_counts) + (huffman.entropy_bits(value_counts) if coded else 0.0)
    return Coding(data, flags, int(lengths.sum()), entropy, len(book) if coded else 0)


def _u24(count: int) -> bytes:
    if count >= 1 << 24:
        raise InputError("a tensor's stream is too large for a compressed file")
    return count.to_bytes(3, "little")


class Reader:
    """Bytes of a file from front to back; raises ArtifactError past the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if self.at + count > len(self.data):
            raise ArtifactError("the file ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width: int) -> int:
        """The next unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width), "little")

    def nibbles(self, count: int) -> np.ndarray:
        """The next `count` numbers of four bits."""
        packed = np.frombuffer(self.take((count + 1) // 2), np.uint8)
        return np.stack([packed & 15, packed >> 4], 1).ravel()[:count]

    def flags(self, count: int) -> np.ndarray:
        """The next `count` booleans."""
        packed = np.frombuffer(self.take((count + 7) // 8), np.uint8)
        return np.unpackbits(packed, bitorder="little")[:count].astype(bool)


def decode(source: Reader) -> np.ndarray:
    """The tensor as f32 `[rows, columns]`; raises ArtifactError."""
    flags = source.number(1)
    fraction = int.from_bytes(source.take(1), "little", signed=True)
    kind = kind_of(flags >> 4, fraction)
    rows, columns = source.number(2), source.number(2)
    if rows * columns > MAX_ELEMENTS:
        raise ArtifactError(f"a tensor of {rows} x {columns} is larger than a compressed file may hold")
    if not flags & (CODED | SPARSE):
        return kind.decode(source.take(rows * columns * kind.width_bytes)).reshape(rows, columns).copy()
    book, values = np.zeros(0, np.float32), None
    if flags & CODED:
        count = source.number(1) + 1
        book = kind.decode(source.take(count * kind.width_bytes))
        values = huffman.Decoder(source.nibbles(count))
    if values and not flags & SPARSE:
        bits = huffman.BitReader(source.take(source.number(3)))
        return book[[values.next(bits) for _ in range(rows * columns)]].reshape(rows, columns)
    return _decode_sparse(source, flags, kind, (rows, columns), book, values)


def _decode_sparse(
    source: Reader, flags: int, kind: Kind, shape: tuple[int, int], book: np.ndarray, values: huffman.Decoder | None
) -> np.ndarray:
    gap_symbols = source.number(1) + 1
    gaps = huffman.Decoder(source.nibbles(gap_symbols))
    nonzeros = source.number(3)
    live = [np.ones(count, bool) for count in shape]
    if flags & TRIMMED:
        live = [source.flags(count) for count in shape]
    bits = huffman.BitReader(source.take(source.number(3)))
    stored = kind.decode(source.take(nonzeros * kind.width_bytes)) if values is None else book
    height, width = (int(each.sum()) for each in live)
    line = np.zeros(height * width, np.float32)
    at = -1
    for number in range(nonzeros):
        gap = gaps.next(bits)
        while gap == gap_symbols - 1:
            at += gap
            gap = gaps.next(bits)
        at += gap + 1
        if at >= len(line):
            raise ArtifactError("a non-zero stands outside its tensor")
        line[at] = stored[number if values is None else values.next(bits)]
    table = np.zeros(shape, np.float32)
    table[np.ix_(*live)] = line.reshape(width, height).T if flags & COLUMNS else line.reshape(height, width)
    return table
