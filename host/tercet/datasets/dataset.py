# SPDX-License-Identifier: Apache-2.0
"""A labelled data set with a fixed training and test part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.artifacts import sha256_bytes
from tercet.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """Samples and labels as stored; `inputs()` gives them as a network sees them.

    `train_x`, `test_x`: u8 or f32, `[samples, channels, height, width]` for images, `[samples, channels, time]`
    for series.
    `train_y`, `test_y`: u8 class numbers. `scale`: what one stored unit is worth (a u8 pixel times `scale` lies in
    0..1).
    """

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    scale: float
    classes: int
    source: str
    licence: str

    def inputs(self, part: str = "train", *, flat: bool = True) -> np.ndarray:
        """The samples of `part` ("train" or "test") as f32 times `scale`; `[samples, features]`, or in their shape
        if not `flat`."""
        stored = {"train": self.train_x, "test": self.test_x}[part]
        values = stored.astype(np.float32) * np.float32(self.scale)
        return values.reshape(len(values), -1) if flat else values

    def labels(self, part: str = "train") -> np.ndarray:
        """The class numbers of `part` as int64."""
        return {"train": self.train_y, "test": self.test_y}[part].astype(np.int64)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train_x.shape[1:])

    def sha256(self) -> str:
        """A hash of samples and labels, in the order train_x, train_y, test_x, test_y."""
        parts = (self.train_x, self.train_y, self.test_x, self.test_y)
        return sha256_bytes(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))


def stratified_split(labels: np.ndarray, test_share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the training and of the test part, ascending, with `test_share` of each class in the test part.

    Per class in ascending order, the rows are permuted by `numpy.random.Generator(PCG64(seed))` and the first
    `round(test_share * rows)` go to the test part.
    """
    if not 0 < test_share < 1:
        raise InputError(f"a test share of {test_share} is not between 0 and 1")
    generator = np.random.Generator(np.random.PCG64(seed))
    test = []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        test.append(rows[: round(test_share * len(rows))])
    is_test = np.zeros(len(labels), bool)
    is_test[np.concatenate(test)] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
