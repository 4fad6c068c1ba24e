# SPDX-License-Identifier: Apache-2.0
"""From what a user calls data to the packed set that a board reads."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from tercet import datasets
from tercet.errors import InputError
from tercet.plan.dataset_file import PackedData

_HELD_OUT = 0.2


def load(source: str, *, regression: bool = False) -> PackedData:
    """The set of that name (`digits`, `mnist-5k`, ...), in an .npz file, or in .npy files.

    An .npz file holds arrays x and y, or x_train, y_train, x_test and y_test; a folder has them as x.npy, y.npy and so on. An
    .npy file whose name ends in x, as x.npy or mine_x.npy, has its labels beside it under the same name with y.

    Of files without a test part every fifth sample of each class is held out. Raises InputError on arrays that are missing,
    misshapen or not finite.
    """
    path = Path(source)
    if path.suffix in (".npz", ".npy") or path.is_dir():
        return _packed(_arrays(path), path, regression)
    found = datasets.load(source)
    rows = np.concatenate([found.train_x, found.test_x]).reshape(len(found.train_x) + len(found.test_x), -1)
    labels = np.concatenate([found.train_y, found.test_y]).astype(np.int64)
    if rows.dtype != np.uint8:
        rows = rows.astype(np.float32) * np.float32(found.scale)
    return standardised(PackedData(rows, labels, len(found.train_x), found.classes))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, of a folder of .npy files, or of one such file and its labels."""
    if not path.exists():
        raise InputError(f"{path}: no such file", hint="a name such as digits, or an .npz file with arrays x and y")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        return {name: np.load(file, allow_pickle=False) for name, file in _npy_files(path).items()}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a file of plain arrays: {error}") from error


def _npy_files(path: Path) -> dict[str, Path]:
    """Array name -> file."""
    if path.is_dir():
        return {file.stem: file for file in sorted(path.glob("*.npy"))}
    labels = path.with_name(f"{path.stem[:-1]}y.npy")
    if not path.stem.endswith("x") or not labels.is_file():
        raise InputError(
            f"{path}: its labels are not beside it", hint="name the two files ..x.npy and ..y.npy, or give their folder"
        )
    return {"x": path, "y": labels}


def _packed(arrays: dict[str, np.ndarray], path: Path, regression: bool) -> PackedData:
    """The set of these arrays, the training part first."""
    if {"x", "y"} <= set(arrays):
        x, y = arrays["x"], arrays["y"]
        training = _hold_out(y, regression)
    elif {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        x = np.concatenate([arrays["x_train"], arrays["x_test"]])
        y = np.concatenate([arrays["y_train"], arrays["y_test"]])
        training = np.arange(len(x)) < len(arrays["x_train"])
    else:
        raise InputError(f"{path}: holds {', '.join(arrays) or 'nothing'}", hint="arrays x and y are needed")
    if len(x) != len(y) or x.ndim < 2:
        raise InputError(f"{path}: x {list(x.shape)} and y {list(y.shape)} do not belong together")
    order = np.concatenate([np.flatnonzero(training), np.flatnonzero(~training)])
    rows = x.reshape(len(x), -1)[order]
    rows = rows if rows.dtype == np.uint8 else rows.astype(np.float32)
    classes = 0 if regression else int(y.max()) + 1
    return standardised(PackedData(np.ascontiguousarray(rows), y[order], int(training.sum()), classes))


def standardised(packed: PackedData) -> PackedData:
    """The same set, its bytes scaled so that the training part has mean 0 and variance 1; f32 rows are the user's own scale."""
    if packed.rows.dtype != np.uint8:
        return packed
    part = packed.rows[: packed.training].astype(np.float64)
    deviation = part.std() or 1.0
    return replace(packed, scale=float(1 / deviation), offset=float(-part.mean() / deviation))


def _hold_out(labels: np.ndarray, regression: bool) -> np.ndarray:
    """Which samples are for training: all but every fifth of each class, or of all where there are no classes."""
    training = np.ones(len(labels), bool)
    groups = [np.arange(len(labels))] if regression else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for rows in groups:
        training[rows[:: round(1 / _HELD_OUT)]] = False
    return training
