# SPDX-License-Identifier: Apache-2.0
"""Reading an ONNX file: everything that can be wrong with it before a single node is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tercet.errors import InputError, SetupError
from tercet.units import format_bytes

# Versions of the operator set whose meaning the converters know.
OLDEST_OPSET, NEWEST_OPSET = 9, 25
LIMIT_BYTES = 1 << 30
FLOATS, TOKENS = (1, 10, 11), (5, 6, 7)  # ONNX's numbers of f32 f16 f64, and of i16 i32 i64


@dataclass
class Source:
    """An ONNX file as read: the message, its opset, constants by name, and its one input without the batch."""

    proto: Any
    opset: int
    constants: dict[str, np.ndarray]
    input_name: str
    input_shape: tuple[int, ...]
    tokens: bool
    # the batch that the file names, 1 where it leaves it open
    batch: int
    output_name: str


def modules() -> Any:
    """The `onnx` package; raises SetupError that says how to install it."""
    try:
        import onnx
    except ImportError as error:
        raise SetupError("reading ONNX files needs the onnx package", hint="pip install 'tercet[onnx]'") from error
    return onnx


def read(path: Path) -> Source:
    """The content of an ONNX file; raises InputError when it is missing, too large, malformed or dynamic in shape."""
    onnx = modules()
    proto = _message(onnx, path)
    opset = _opset(path, proto)
    try:
        onnx.checker.check_model(proto)
        constants = {item.name: onnx.numpy_helper.to_array(item) for item in proto.graph.initializer}
    except Exception as error:  # the checker raises its own and several built-in kinds
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path}: not a valid ONNX model: {first[0]}") from error
    inputs = [item for item in proto.graph.input if item.name not in constants]
    if len(inputs) != 1 or len(proto.graph.output) != 1:
        names = [[item.name for item in side] for side in (inputs, proto.graph.output)]
        raise InputError(
            f"{path}: has inputs {names[0]} and outputs {names[1]}; one of each is supported",
            hint="where inputs are weights, the file holds none: export it with its parameters" if len(inputs) > 1 else "",
        )
    batch, shape = _shape(path, inputs[0])
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in FLOATS + TOKENS:
        raise InputError(f"{path}: input {inputs[0].name} is neither of floats nor of token numbers (type {kind})")
    name, output = inputs[0].name, proto.graph.output[0].name
    return Source(proto, opset, constants, name, shape, kind in TOKENS, batch, output)


def _message(onnx: Any, path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    size = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}.data")) if part.is_file())
    if size > LIMIT_BYTES:
        limit = format_bytes(LIMIT_BYTES)
        raise InputError(f"{path}: {format_bytes(size)} is larger than the limit of {limit} for a model")
    try:
        proto = onnx.load(str(path))
    except Exception as error:  # protobuf's decoder and the loader of external data raise many kinds
        raise InputError(f"{path}: cannot be read as ONNX: {error}", hint="was it exported completely?") from error
    if not proto.graph.node:
        raise InputError(f"{path}: is no ONNX model, or one without any node")
    return proto


def _opset(path: Path, proto: Any) -> int:
    versions = {item.domain: item.version for item in proto.opset_import}
    version = int(versions.get("", versions.get("ai.onnx", 0)))
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        message = f"{path}: uses operator set {version}; {OLDEST_OPSET} to {NEWEST_OPSET} are supported"
        raise InputError(message, hint="export again, e.g. with opset_version=17")
    return version


def _shape(path: Path, item: Any) -> tuple[int, tuple[int, ...]]:
    """(batch, shape without it) of an input: only the batch may be left open."""
    axes = item.type.tensor_type.shape.dim
    extents = [axis.dim_value if axis.HasField("dim_value") else None for axis in axes]
    if len(extents) < 2:
        raise InputError(f"{path}: input {item.name} has {len(extents)} axes; a batch and at least one more are needed")
    open_axes = [axes[number].dim_param or "?" for number, extent in enumerate(extents) if number and not extent]
    if open_axes:
        raise InputError(
            f"{path}: input {item.name} has dynamic axes {open_axes}; only the batch may be dynamic",
            hint="export with fixed sizes (dynamic_axes / dynamic_shapes for axis 0 only)",
        )
    shape = tuple(int(extent or 0) for extent in extents[1:])
    return int(extents[0] or 1), shape
