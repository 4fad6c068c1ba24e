# SPDX-License-Identifier: Apache-2.0
"""The compressed file: magic, length, CRC-32, the network's description, its tensors in order.

    "TRZ1"  u32 bytes of the file  u32 CRC-32 of the length and of all that follows  u16 bytes of the description
    the description (JSON)         the tensors, one after another

A CRC-32 finds every change within 32 neighbouring bits, so no changed byte goes unnoticed.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from tercet import artifacts
from tercet.compress.network import weight_layers
from tercet.compress.packed import tensor
from tercet.compress.packed.execution import Execution
from tercet.compress.packed.head import parameter_order, read_head, write_head
from tercet.errors import ArtifactError, InputError
from tercet.model.graph import Model, check_weights
from tercet.model.weights import Weights

MAGIC = b"TRZ1"
PREFIX = struct.Struct("<4sII")


def pack(model: Model, weights: Weights, execution: Execution | None = None) -> bytes:
    """The compressed file of a network. Lossless but for -0, which becomes 0.

    With `execution` the layers of sparse formats are stored in the order in which their kernels walk.
    """
    weights = check_weights(model, weights, model.name)
    head = write_head(model, execution)
    body = struct.pack("<H", len(head)) + head
    orders = _orders(model, execution)
    body += b"".join(tensor.encode(weights[name], orders.get(name)).data for name in parameter_order(model))
    size = struct.pack("<I", PREFIX.size + len(body))
    return MAGIC + size + struct.pack("<I", zlib.crc32(body, zlib.crc32(size))) + body


def _orders(model: Model, execution: Execution | None) -> dict[str, int]:
    """The order that a layer's kernel needs of its weights."""
    wanted = {"csc": tensor.COLUMNS, "delta": 0}
    formats = execution.formats if execution else {}
    return {
        layer.parameters["w"]: wanted[formats[layer.name]] for layer in weight_layers(model) if formats.get(layer.name) in wanted
    }


def check(data: bytes) -> bytes:
    """The body of a compressed file whose length and CRC are right; raises ArtifactError."""
    if len(data) < PREFIX.size + 2:
        raise ArtifactError(f"a compressed file has {PREFIX.size + 2} bytes at least, this one {len(data)}")
    magic, size, crc = PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise ArtifactError(f"not a compressed model: it starts with {magic!r}, expected {MAGIC!r}")
    if size != len(data):
        raise ArtifactError(f"the compressed file has {len(data)} bytes, it says {size}", hint="copy it again")
    if zlib.crc32(data[PREFIX.size :], zlib.crc32(data[4:8])) != crc:
        raise ArtifactError("the compressed file is damaged: its CRC-32 is wrong", hint="copy it again")
    return data[PREFIX.size :]


def unpack_all(data: bytes) -> tuple[Model, Weights, Execution | None]:
    """The network in a compressed file and its execution settings; raises ArtifactError when anything is wrong."""
    body = check(data)
    source = tensor.Reader(body)
    model, execution = read_head(source.take(source.number(2)))
    weights: Weights = {}
    for name, parameter in model.parameters.items():
        table = tensor.decode(source)
        if table.size != parameter.count or table.shape != tensor.matrix(np.zeros(parameter.shape)).shape:
            raise ArtifactError(f"{name} is stored as {list(table.shape)}, the network needs {list(parameter.shape)}")
        if not np.isfinite(table).all():
            raise ArtifactError(f"{name} holds values that are no numbers", hint="copy the file again")
        weights[name] = table.reshape(parameter.shape)
    if source.at != len(body):
        raise ArtifactError(f"{len(body) - source.at} bytes follow the last tensor")
    return model, weights, execution


def unpack(data: bytes) -> tuple[Model, Weights]:
    """The network in a compressed file; raises ArtifactError when anything in it is wrong."""
    return unpack_all(data)[:2]


def write(model: Model, weights: Weights, path: str | Path, execution: Execution | None = None) -> Path:
    """Writes the compressed file and returns its path."""
    return artifacts.write_bytes(path, pack(model, weights, execution))


def read(path: str | Path) -> tuple[Model, Weights]:
    """The network in the compressed file at `path`; raises InputError, ArtifactError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return unpack(path.read_bytes())
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error.message}", hint=error.hint) from error
