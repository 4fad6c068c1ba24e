# SPDX-License-Identifier: Apache-2.0
"""Weights: seeded initialisation and the .npz file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from tercet import artifacts
from tercet.errors import ArtifactError, InputError

Weights = dict[str, np.ndarray]


def initial(shape: tuple[int, ...], init: str, generator: np.random.Generator) -> np.ndarray:
    """A parameter's first value, f32.

    `he` is uniform with variance 2 / fan_in (He et al., 2015), `glorot` uniform with 2 / (fan_in + fan_out) (Glorot and
    Bengio, 2010), `normal` has standard deviation 0.02; fan_in = elements of one output channel.
    """
    if init in ("zeros", "running_mean"):
        return np.zeros(shape, np.float32)
    if init in ("ones", "running_variance"):
        return np.ones(shape, np.float32)
    if init == "normal":
        return (0.02 * generator.standard_normal(shape)).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    fan_out = shape[0] * int(np.prod(shape[2:]))
    if init == "he":
        limit = (6.0 / fan_in) ** 0.5
    elif init == "glorot":
        limit = (6.0 / (fan_in + fan_out)) ** 0.5
    else:
        raise InputError(f"unknown initialiser {init!r}", hint="he, glorot, normal, zeros, ones")
    return generator.uniform(-limit, limit, shape).astype(np.float32)


def save(weights: Weights, path: str | Path) -> Path:
    """Writes an .npz whose bytes depend on the weights alone (no time stamps), and returns its path."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, value in weights.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(value), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())
    return artifacts.write_bytes(path, stream.getvalue())


def load(path: str | Path) -> Weights:
    """The arrays of an .npz; raises InputError when it is missing, ArtifactError when it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ArtifactError(f"{path}: not a weights file: {error}") from error
