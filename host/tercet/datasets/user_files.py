# SPDX-License-Identifier: Apache-2.0
"""Data sets that no package carries, read from the archive or folder that the user has."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tercet.artifacts import sha256_file
from tercet.datasets.parsers import parse_cifar10, parse_wav
from tercet.errors import InputError

ARCHIVES = {
    "cifar10": ("cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    "speech-commands": (
        "speech_commands_v0.02.tar.gz",
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    ),
}
SPEECH_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SPEECH_SAMPLES = 16000
Files = Callable[[str], bytes]
Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _members(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and reader of each file in a folder, a tar or a zip archive, names below the topmost common folder."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                yield path.relative_to(source).as_posix(), path.read_bytes
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                yield name, partial(archive.read, name)
    else:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile():
                    yield member.name.removeprefix("./"), partial(_read_member, archive, member)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


def checked(name: str, source: Path | None) -> Path:
    """`source`, when it exists and, for an archive with a known hash, is that archive; else InputError."""
    archive, digest = ARCHIVES.get(name, ("the UCI HAR archive", ""))
    if source is None or not source.exists():
        raise InputError(
            f"{name}: {source or 'no file was given'}", hint=f"give the path of {archive} or of its unpacked folder"
        )
    if source.is_file() and digest and sha256_file(source) != digest:
        raise InputError(f"{source}: is not {archive} (its SHA-256 differs from {digest})", hint="fetch it again")
    return source


def _pick(source: Path, wanted: list[str]) -> dict[str, bytes]:
    found = {}
    for name, read in _members(source):
        for tail in wanted:
            if name == tail or name.endswith("/" + tail):
                found[tail] = read()
    missing = [tail for tail in wanted if tail not in found]
    if missing:
        raise InputError(f"{source}: holds no {missing[0]}")
    return found


def read_cifar10(source: Path) -> Parts:
    """CIFAR-10, binary version: u8 `[50000, 3, 32, 32]` and `[10000, 3, 32, 32]` with labels."""
    names = [f"data_batch_{index}.bin" for index in range(1, 6)] + ["test_batch.bin"]
    files = _pick(source, names)
    batches = [parse_cifar10(files[name], f"{source}: {name}") for name in names]
    train_x, train_y = (np.concatenate([batch[part] for batch in batches[:5]]) for part in (0, 1))
    return train_x, train_y, *batches[5]


def read_har(source: Path) -> Parts:
    """UCI HAR (smartphone, 6 activities): 561 features f32 per window, `[7352, 1, 561]` and `[2947, 1, 561]`."""
    names = [f"{part}/{kind}_{part}.txt" for part in ("train", "test") for kind in ("X", "y")]
    files = _pick(source, names)
    parts = []
    for name, rows in zip(names, (7352, 7352, 2947, 2947), strict=True):
        try:
            table = np.loadtxt(io.BytesIO(files[name]), dtype=np.float32, ndmin=2)
        except ValueError as error:
            raise InputError(f"{source}: {name} is no table of numbers: {error}") from error
        width = 561 if "X_" in name else 1
        if table.shape != (rows, width):
            raise InputError(f"{source}: {name} has shape {table.shape}, expected {(rows, width)}")
        parts.append(table.reshape(rows, 1, 561) if width == 561 else (table[:, 0] - 1).astype(np.uint8))
    return parts[0], parts[1], parts[2], parts[3]


def read_speech_commands(source: Path, words: tuple[str, ...] = SPEECH_WORDS) -> Parts:
    """Speech Commands v0.02: one second at 16 kHz, i16 `[clips, 1, 16000]`, of `words`; the published testing list
    is the test part."""
    lists = _pick(source, ["testing_list.txt"])
    testing = set(lists["testing_list.txt"].decode().split())
    rows: dict[bool, tuple[list, list]] = {False: ([], []), True: ([], [])}
    for name, read in _members(source):
        clip = "/".join(name.split("/")[-2:])
        word = clip.split("/")[0]
        if word in words and clip.endswith(".wav"):
            sounds, labels = rows[clip in testing]
            sounds.append(parse_wav(read(), f"{source}: {clip}", SPEECH_SAMPLES))
            labels.append(words.index(word))
    if not rows[False][0] or not rows[True][0]:
        raise InputError(f"{source}: holds no clips of {', '.join(words)} in both parts")
    parts = [
        (np.stack(sounds)[:, None, :], np.asarray(labels, np.uint8)) for sounds, labels in (rows[False], rows[True])
    ]
    return *parts[0], *parts[1]
