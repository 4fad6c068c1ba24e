# SPDX-License-Identifier: Apache-2.0
"""Arrays from the formats in which public data sets are published."""

from __future__ import annotations

import gzip
import io
import struct
import wave

import numpy as np

from tercet.errors import InputError

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def parse_idx(data: bytes, where: str) -> np.ndarray:
    """The array in an IDX file, gzipped or plain; raises InputError naming `where`."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise InputError(f"{where}: not an IDX file")
    kind = np.dtype(_IDX_TYPES[data[2]])
    head = 4 + 4 * data[3]
    if len(data) < head:
        raise InputError(f"{where}: its IDX header is cut short")
    shape = struct.unpack(f">{data[3]}I", data[4:head])
    wanted = head + int(np.prod(shape)) * kind.itemsize
    if len(data) != wanted:
        raise InputError(f"{where}: holds {len(data)} bytes, its IDX header announces {wanted}")
    return np.frombuffer(data, kind, offset=head).reshape(shape).astype(kind.newbyteorder("="))


def parse_label_csv(data: bytes, where: str, *, header: bool, label_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """Samples `[rows, columns - 1]` and labels, both u8, of a CSV whose first or last column is the class."""
    try:
        table = np.loadtxt(io.BytesIO(data), delimiter=",", skiprows=int(header), dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise InputError(f"{where}: not a table of numbers: {error}") from error
    if not ((table >= 0) & (table <= 255) & (table == np.rint(table))).all():
        raise InputError(f"{where}: holds values that are not whole numbers in 0..255")
    whole = table.astype(np.uint8)
    return (whole[:, 1:], whole[:, 0]) if label_first else (whole[:, :-1], whole[:, -1])


def parse_ts(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Series f32 `[rows, channels, time]` and labels u8 of an equal-length `.ts` file; classes in the order of its
    header."""
    classes: list[str] = []
    rows, labels = [], []
    for line in data.decode("utf-8", "replace").splitlines():
        if line.startswith("@classLabel"):
            classes = line.split()[2:]
        if not line.strip() or line[0] in "#@":
            continue
        *channels, label = line.strip().split(":")
        if label not in classes:
            raise InputError(f"{where}: the class {label!r} is not among {classes}")
        rows.append([[float(value) for value in channel.split(",")] for channel in channels])
        labels.append(classes.index(label))
    try:
        return np.asarray(rows, np.float32), np.asarray(labels, np.uint8)
    except ValueError as error:
        raise InputError(f"{where}: its series differ in length") from error


def parse_cifar10(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Images u8 `[rows, 3, 32, 32]` and labels of one batch file of the binary version."""
    if not data or len(data) % 3073:
        raise InputError(f"{where}: {len(data)} bytes are no whole number of 3,073-byte records")
    records = np.frombuffer(data, np.uint8).reshape(-1, 3073)
    if records[:, 0].max() > 9:
        raise InputError(f"{where}: holds a class above 9")
    return records[:, 1:].reshape(-1, 3, 32, 32).copy(), records[:, 0].copy()


def parse_wav(data: bytes, where: str, samples: int) -> np.ndarray:
    """The first `samples` values of a mono 16-bit WAV as i16, padded with zeros at the end."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            if sound.getnchannels() != 1 or sound.getsampwidth() != 2:
                raise InputError(f"{where}: not mono of 16 bits")
            values = np.frombuffer(sound.readframes(samples), "<i2").astype(np.int16)
    except (wave.Error, EOFError) as error:
        raise InputError(f"{where}: not a WAV file: {error}") from error
    return np.pad(values, (0, samples - len(values)))
