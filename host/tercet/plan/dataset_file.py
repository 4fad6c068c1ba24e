# SPDX-License-Identifier: Apache-2.0
"""The packed data set that a board reads, and the order in which it visits the training samples."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from tercet.errors import InputError

HEADER = struct.Struct("<4sIIIIIIff")
# Marsaglia's multiply-with-carry: a * 2^16 - 1 and a * 2^15 - 1 are prime, states stay below 2^30 (MicroPython's
# small integers).
MULTIPLIER = 16380
MIXER = 14933
ROUNDS = 6


@dataclass(frozen=True)
class PackedData:
    """Samples, those for training first. `rows` [count, features] u8 or f32; the board sees `rows * scale + offset`."""

    rows: np.ndarray
    labels: np.ndarray
    training: int
    classes: int
    scale: float = 1.0
    offset: float = 0.0

    def batch(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(inputs f32 [n, features], labels) of the samples with these indices, as the board computes them."""
        rows = self.rows[samples]
        if rows.dtype == np.uint8:
            rows = rows.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        return rows.astype(np.float32), self.labels[samples]


def encode(data: PackedData) -> bytes:
    """The bytes of the packed file; raises InputError on shapes, values or labels that do not fit together."""
    if data.rows.ndim != 2 or len(data.rows) != len(data.labels) or not 0 < data.training <= len(data.rows):
        raise InputError(f"data: {data.rows.shape} rows and {data.labels.shape} labels do not belong together")
    if len(data.rows) > 65535:
        raise InputError(f"data: {len(data.rows)} samples, the board's order holds at most 65535")
    if data.rows.dtype not in (np.uint8, np.float32):
        raise InputError(f"data: rows are {data.rows.dtype}, expected uint8 or float32")
    if data.rows.dtype == np.float32 and not np.isfinite(data.rows).all():
        raise InputError("data: a sample holds NaN or infinity")
    labels = data.labels
    if data.classes:
        wrong = np.flatnonzero((labels < 0) | (labels >= data.classes))
        if wrong.size:
            first = wrong[0]
            raise InputError(f"data: sample {first} has label {labels[first]}, the model has {data.classes} classes")
        labels = labels.astype(np.uint16).reshape(len(labels), 1)
    else:
        labels = labels.astype(np.float32).reshape(len(labels), -1)
    head = HEADER.pack(
        b"TDS2", len(data.rows), data.training, data.rows.shape[1], data.rows.itemsize,
        labels.shape[1] * labels.itemsize, data.classes, data.scale, data.offset,
    )
    return head + _checked(data.rows) + _checked(labels)


def _checked(rows: np.ndarray) -> bytes:
    """The bytes of each row with their CRC-32 behind them."""
    pieces = (row.tobytes() for row in np.ascontiguousarray(rows))
    return b"".join(piece + struct.pack("<I", zlib.crc32(piece)) for piece in pieces)


def shuffled(count: int, seed: int) -> tuple[np.ndarray, int]:
    """An order of `count` samples and the generator's next state, as the board computes it index by index.

    A Feistel network on the smallest power of four that holds `count`; what falls outside goes through it again.
    """
    half = next(bits for bits in range(1, 32) if 1 << 2 * bits >= count)
    keys = []
    for _ in range(ROUNDS):
        seed = MULTIPLIER * (seed & 0xFFFF) + (seed >> 16)
        keys.append(seed & 0xFFFF)
    order = _feistel(np.arange(count), half, keys)
    while (outside := order >= count).any():
        order[outside] = _feistel(order[outside], half, keys)
    return order, seed


def _feistel(indices: np.ndarray, half: int, keys: list[int]) -> np.ndarray:
    mask = (1 << half) - 1
    left, right = indices >> half, indices & mask
    for key in keys:
        left, right = right, left ^ (((right ^ key) * MIXER >> 9) & mask)
    return left << half | right


def batches(training: int, batch: int, seed: int, steps: int) -> list[np.ndarray]:
    """The sample indices of the first `steps` batches."""
    order, at, result = np.arange(training), training, []
    for _ in range(steps):
        if at + batch > training:
            (order, seed), at = shuffled(training, seed), 0
        result.append(order[at : at + batch].copy())
        at += batch
    return result
