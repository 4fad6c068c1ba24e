# SPDX-License-Identifier: Apache-2.0
"""Canonical Huffman codes of limited length, and the bit streams that they make."""

from __future__ import annotations

import numpy as np

from tercet.errors import ArtifactError

MAX_LENGTH = 15  # a length fits four bits of the file and a code fits the 16-bit registers of the smallest decoders


def code_lengths(counts: np.ndarray, limit: int = MAX_LENGTH) -> np.ndarray:
    """The best code lengths of at most `limit` bits for symbols that occur `counts` times; 0 for symbols that do not.

    Package-merge (Larmore, Hirschberg, 1990). A single symbol gets one bit, so that every stream has a length.
    """
    used = np.flatnonzero(counts)
    lengths = np.zeros(len(counts), np.uint8)
    if len(used) == 1:
        lengths[used] = 1
    if len(used) <= 1:
        return lengths
    if len(used) > 2**limit:
        raise ValueError(f"{len(used)} symbols need more than {limit} bits")
    leaves: list[tuple[int, tuple[int, ...]]] = sorted((int(counts[symbol]), (int(symbol),)) for symbol in used)
    row = leaves
    for _ in range(limit - 1):
        pairs = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = sorted(leaves + pairs, key=lambda item: item[0])
    for _, symbols in row[: 2 * len(used) - 2]:
        for symbol in symbols:
            lengths[symbol] += 1
    return lengths


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """The code of each symbol: shorter first, then by symbol; codes of one length count upwards."""
    codes = np.zeros(len(lengths), np.int64)
    code = 0
    for length in range(1, MAX_LENGTH + 1):
        code <<= 1
        for symbol in np.flatnonzero(lengths == length):
            codes[symbol] = code
            code += 1
    return codes


def check_lengths(lengths: np.ndarray) -> None:
    """Raises ArtifactError unless the lengths form a complete prefix code, or one symbol of one bit, or none."""
    used = lengths[lengths > 0].astype(int)
    total = int((2 ** (MAX_LENGTH - used)).sum()) if len(used) else 0
    if (len(used) > 1 and total != 2**MAX_LENGTH) or (len(used) == 1 and used[0] != 1):
        raise ArtifactError("the lengths of a Huffman table do not make a prefix code")


def join(codes: np.ndarray, lengths: np.ndarray) -> bytes:
    """The bit stream of the codes one after another, most significant bit first, filled up with zero bits."""
    if len(codes) == 0:
        return b""
    lengths = lengths.astype(np.int64)
    ends = np.cumsum(lengths)
    owner = np.repeat(np.arange(len(codes)), lengths)
    shift = ends[owner] - 1 - np.arange(int(ends[-1]))
    return np.packbits((codes[owner] >> shift) & 1).tobytes()


class Decoder:
    """A canonical decoder: symbols in order of their codes, and per length the first code and where its symbols
    start."""

    def __init__(self, lengths: np.ndarray) -> None:
        check_lengths(lengths)
        self.symbols = [int(s) for length in range(1, MAX_LENGTH + 1) for s in np.flatnonzero(lengths == length)]
        self.counts = [int((lengths == length).sum()) for length in range(MAX_LENGTH + 1)]

    def next(self, bits: BitReader) -> int:
        """The next symbol; raises ArtifactError when the stream ends or holds no code."""
        code = first = index = 0
        for length in range(1, MAX_LENGTH + 1):
            code |= bits.bit()
            count = self.counts[length]
            if code - first < count:
                return self.symbols[index + code - first]
            index += count
            first = (first + count) << 1
            code <<= 1
        raise ArtifactError("the stream holds a code that its table does not")


class BitReader:
    """Bits of `data`, most significant first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def bit(self) -> int:
        """The next bit."""
        if self.at >= 8 * len(self.data):
            raise ArtifactError("a bit stream ends too early")
        value = self.data[self.at >> 3] >> (7 - (self.at & 7)) & 1
        self.at += 1
        return value


def entropy_bits(counts: np.ndarray) -> float:
    """The entropy of `counts` occurrences, in bits, of all symbols together."""
    used = counts[counts > 0].astype(np.float64)
    return float(-(used * np.log2(used / used.sum())).sum())
