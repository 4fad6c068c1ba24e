# SPDX-License-Identifier: Apache-2.0
"""How single values are stored: the narrowest of four kinds that gives every bit back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.errors import ArtifactError

# Codes of the file. A fixed value is an integer times 2^-fraction.
F32, F16, I16, I8 = range(4)
_TYPES: dict[int, np.dtype] = {F32: np.dtype("<f4"), F16: np.dtype("<f2"), I16: np.dtype("<i2"), I8: np.dtype("i1")}


@dataclass(frozen=True)
class Kind:
    """A way to store values: its code and, for fixed values, the fractional length -128..127."""

    code: int
    fraction: int = 0

    @property
    def width_bytes(self) -> int:
        """Bytes of one value."""
        return _TYPES[self.code].itemsize

    def encode(self, values: np.ndarray) -> bytes:
        """The bytes of f32 values that this kind can represent."""
        if self.code in (I16, I8):
            values = np.ldexp(values.astype(np.float64), self.fraction)
        return values.astype(_TYPES[self.code]).tobytes()

    def decode(self, data: bytes) -> np.ndarray:
        """f32 values; infinite where a damaged head asks for more than f32 can hold."""
        stored = np.frombuffer(data, _TYPES[self.code])
        if self.code in (I16, I8):
            with np.errstate(over="ignore"):
                return np.ldexp(stored.astype(np.float64), -self.fraction).astype(np.float32)
        return stored.astype(np.float32)


def kind_of(code: int, fraction: int) -> Kind:
    """The kind with that code; raises ArtifactError."""
    if code not in _TYPES:
        raise ArtifactError(f"a tensor's values are of the unknown kind {code}")
    return Kind(code, fraction)


def narrowest(values: np.ndarray) -> Kind:
    """The narrowest kind that represents all of the f32 `values` exactly."""
    values = np.unique(values)
    fraction = _fraction(values)
    if -128 <= fraction <= 127:
        scaled = np.ldexp(values.astype(np.float64), fraction)
        for code, limit in ((I8, 128), (I16, 32768)):
            if scaled.size == 0 or (scaled.min() >= -limit and scaled.max() < limit):
                return Kind(code, fraction)
    with np.errstate(over="ignore"):
        if np.array_equal(values.astype(np.float16).astype(np.float32), values):
            return Kind(F16)
    return Kind(F32)


def _fraction(values: np.ndarray) -> int:
    """The least fractional length at which all values are whole."""
    mantissas, exponents = np.frexp(values[values != 0].astype(np.float64))
    if mantissas.size == 0:
        return 0
    whole = np.abs(mantissas * 2**53).astype(np.int64)
    zeros = np.log2((whole & -whole).astype(np.float64)).astype(int)
    return int((53 - zeros - exponents).max())
