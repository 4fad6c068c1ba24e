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
    """The set of that name (`digits`, `mnist-5k`, ...) or in an .npz file.

    The file holds arrays x and y, or x_train, y_train, x_test and y_test.

    Of a file without a test part every fifth sample of each class is held out. Raises InputError on arrays that are missing,
    misshapen or not finite.
    """
    if Path(source).suffix == ".npz":
        return _file(Path(source), regression)
    found = datasets.load(source)
    rows = np.concatenate([found.train_x, found.test_x]).reshape(len(found.train_x) + len(found.test_x), -1)
    labels = np.concatenate([found.train_y, found.test_y]).astype(np.int64)
    if rows.dtype != np.uint8:
        rows = rows.astype(np.float32) * np.float32(found.scale)
    return standardised(PackedData(rows, labels, len(found.train_x), found.classes))


def _file(path: Path, regression: bool) -> PackedData:
    """The set in an .npz file."""
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="a name such as digits, or an .npz file with arrays x and y")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not an .npz file of plain arrays: {error}") from error
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
