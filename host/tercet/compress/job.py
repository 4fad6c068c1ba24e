# SPDX-License-Identifier: Apache-2.0
"""What a compression run is given: a network, samples to train, to calibrate and to judge by, and options."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tercet import datasets
from tercet.compress.finetune import Recipe, Teacher, teacher_of
from tercet.compress.network import Network, Samples
from tercet.compress.packed import read
from tercet.errors import InputError
from tercet.model.graph import Model
from tercet.model.source import open_model
from tercet.model.weights import Weights

JUDGED_SHARE = 0.2
_PARTS = {"x_train": "train_x", "y_train": "train_y", "x_test": "test_x", "y_test": "test_y"}
LEAST_STEPS = 3000  # of retraining: a gradual schedule needs steps, however few the samples


@dataclass(frozen=True)
class Data:
    """Training and test samples as a network sees them; `divisor` turns stored u8 inputs into them (0: they were no u8)."""

    train: Samples
    test: Samples
    divisor: int


@dataclass(frozen=True)
class Job:
    """A model with its weights, its data (None: a method that needs none) and the options of the run."""

    model: Model
    weights: Weights
    data: Data | None
    options: dict[str, Any]

    @property
    def network(self) -> Network:
        """The model ready to run."""
        return Network(self.model)

    def needs(self, what: str) -> Data:
        """The data; raises InputError that says what they are for."""
        if self.data is None:
            raise InputError(f"{what} needs data", hint="give --data: a data set's name or an .npz of x and y")
        return self.data

    def number(self, name: str, default: float) -> float:
        """A numeric option; raises InputError when it is none or negative."""
        value = self.options.get(name)
        if value is None:
            return default
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: {value!r} is not a number") from error
        if not number >= 0:
            raise InputError(f"{name}: {number} is below zero")
        return number

    def recipe(self, epochs: int, rate: float) -> Recipe:
        """How to train, with the run's `epochs`, `rate`, `seed`, `batch` and `shift_pixels`.

        Unless the run says so, `epochs` are more on a small data set: as many as make LEAST_STEPS steps (0 stay 0).
        """
        batch = max(1, int(self.number("batch", 64)))
        if epochs and self.data:
            epochs = max(epochs, -(-LEAST_STEPS // -(-len(self.data.train.x) // batch)))
        return Recipe(
            epochs=int(self.number("epochs", epochs)),
            rate=self.number("rate", rate),
            seed=int(self.number("seed", 0)),
            batch=batch,
            shift_pixels=int(self.number("shift_pixels", 0)),
        )

    def teacher(self) -> Teacher | None:
        """The network before compression, when `distill` asks for it (it does unless set to false)."""
        return teacher_of(self.network, self.weights) if self.options.get("distill", True) else None

    def calibration(self) -> np.ndarray:
        """The first `calibrate` training samples (500), in the model's shape."""
        data = self.needs("calibration")
        return self.network.shaped(data.train.x[: max(1, int(self.number("calibrate", 500)))])


def open_network(source: str | Path) -> tuple[Model, Weights]:
    """The network in a compressed file, a model.json, an ONNX file or of the zoo."""
    return read(source) if Path(source).suffix == ".trz" else open_model(source)


def open_data(source: Any, cache: str | Path | None = None) -> Data | None:
    """Data from a data set's name (or NAME=SOURCE), a `Dataset`, `Data` or an .npz file; None stays None.

    The .npz holds `x` and `y` (then every fifth sample is judged by) or `x_train y_train x_test y_test`, the words either way
    round; whole numbers of 8 bits may come with their `scale`, else they are divided by 255.
    """
    if source is None or isinstance(source, Data):
        return source
    if isinstance(source, datasets.Dataset):
        return _of_dataset(source)
    if str(source).partition("=")[0] in datasets.NAMES:
        return _of_dataset(datasets.load(str(source), cache=cache))
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{path}: neither a file nor a data set", hint=f"data sets: {', '.join(datasets.NAMES)}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _of_arrays({name: archive[name] for name in archive.files}, path)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not an .npz file: {error}") from error


def _of_dataset(found: datasets.Dataset) -> Data:
    train, test = (Samples(found.inputs(part, flat=False), found.labels(part)) for part in ("train", "test"))
    return Data(train, test, round(1 / found.scale) if found.train_x.dtype == np.uint8 else 0)


def _of_arrays(arrays: dict[str, np.ndarray], path: Path) -> Data:
    arrays = {_PARTS.get(name, name): array for name, array in arrays.items()}
    if {"train_x", "train_y", "test_x", "test_y"} <= set(arrays):
        parts = [arrays[name] for name in ("train_x", "train_y", "test_x", "test_y")]
    elif {"x", "y"} <= set(arrays):
        judged = np.arange(len(arrays["y"])) % round(1 / JUDGED_SHARE) == 0
        x, y = arrays["x"], arrays["y"]
        if len(x) != len(y):
            raise InputError(f"{path}: {len(x)} samples with {len(y)} labels")
        parts = [x[~judged], y[~judged], x[judged], y[judged]]
    else:
        raise InputError(f"{path}: holds {sorted(arrays)}", hint="x and y, or x_train, y_train, x_test and y_test")
    whole = parts[0].dtype == np.uint8
    scale = float(arrays["scale"]) if "scale" in arrays else 1 / 255 if whole else 1.0
    xs = [np.asarray(part, np.float32) * np.float32(scale) for part in (parts[0], parts[2])]
    if not all(np.isfinite(part).all() for part in xs):
        raise InputError(f"{path}: holds samples that are no numbers")
    train, test = Samples(xs[0], parts[1]).checked(), Samples(xs[1], parts[3]).checked()
    return Data(train, test, round(1 / scale) if whole else 0)
