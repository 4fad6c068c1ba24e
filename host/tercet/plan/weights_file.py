# SPDX-License-Identifier: Apache-2.0
"""Weights and optimizer state as they travel: `TWTS | graph identity | bytes | tensors | CRC-32`."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tercet.autodiff import tiles
from tercet.autodiff.graph import Graph
from tercet.errors import ArtifactError, InputError

_HEAD = struct.Struct("<4s8sI")


def encode(graph: Graph, graph_id: bytes, values: dict[str, np.ndarray]) -> bytes:
    """The file's bytes from whole parameters, of which tiles are cut; state that `values` lacks starts at zero.

    Raises InputError on a missing or misshapen weight, or one that is no number.
    """
    body = b""
    for tensor in graph.persistent:
        value = tiles.part(tensor, values)
        if value is None and tensor.kind == "state":
            value = np.zeros(tensor.shape, np.float32)
        if value is None or tuple(value.shape) != tuple(tensor.shape):
            found = "is missing" if value is None else f"has shape {value.shape}"
            raise InputError(f"weights: {tensor.name} {found}, expected {tensor.shape}")
        if not np.isfinite(value).all():
            raise InputError(f"weights: {tensor.name} holds NaN or infinity")
        body += np.ascontiguousarray(value, np.float32).tobytes()
    head = _HEAD.pack(b"TWTS", graph_id, len(body))
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def decode(data: bytes, graph: Graph, graph_id: bytes) -> dict[str, np.ndarray]:
    """Name -> f32 array, tiles put together; raises ArtifactError when the file is damaged or of another model."""
    if len(data) < _HEAD.size + 4 or data[:4] != b"TWTS":
        raise ArtifactError("weights: not a weights file")
    _, found, total = _HEAD.unpack_from(data)
    if found != graph_id:
        raise ArtifactError("weights: the file is of another model")
    if len(data) != _HEAD.size + total + 4 or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise ArtifactError("weights: the file is truncated or damaged")
    values, at = {}, _HEAD.size
    for tensor in graph.persistent:
        values[tensor.name] = np.frombuffer(data, np.float32, tensor.count, at).reshape(tensor.shape).copy()
        at += tensor.nbytes
    return tiles.joined(graph.persistent, values)
