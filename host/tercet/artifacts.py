# SPDX-License-Identifier: Apache-2.0
"""Artefacts on disk: JSON with `schema`, `inputs` and `made_by`, written atomically."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from pathlib import Path
from typing import Any

from tercet import __version__
from tercet.errors import ArtifactError, InputError


def sha256_bytes(data: bytes) -> str:
    """The hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """The hexadecimal SHA-256 of a file's content."""
    return sha256_bytes(Path(path).read_bytes())


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Writes `data` so that a reader, or a crash, sees the old file or the new one, never half of one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own and the permissions that the user's umask gives
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def encode_json(schema: str, body: dict[str, Any], inputs: dict[str, str] | None = None) -> bytes:
    """The canonical bytes of an artefact: sorted by insertion, one trailing newline, NaN refused."""
    head = {"schema": schema, "inputs": inputs or {}, "made_by": f"tercet {__version__}"}
    return (json.dumps({**head, **body}, indent=1, allow_nan=False) + "\n").encode()


def write_json(path: str | Path, schema: str, body: dict[str, Any], inputs: dict[str, str] | None = None) -> Path:
    """Writes an artefact with its head and returns its path."""
    return write_bytes(path, encode_json(schema, body, inputs))


def read_json(path: str | Path, schema: str | None = None) -> dict[str, Any]:
    """The object in a JSON artefact.

    Raises InputError when the file is missing, ArtifactError when it is not JSON, holds NaN or infinity, or has another schema.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")

    def refuse(token: str) -> float:
        raise ArtifactError(f"{path}: holds {token}, which is no number")

    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except (ValueError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: holds a {type(value).__name__}, an object was expected")
    found = value.get("schema", value.get("format"))
    if schema is not None and found != schema:
        raise ArtifactError(f"{path}: its schema is {found!r}, expected {schema!r}", hint="was another kind of file given?")
    return value


def finite(value: Any, where: str, *, minimum: float = 0.0) -> float:
    """`value` as a finite float of at least `minimum`; raises InputError that says where it stood."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < minimum:
        raise InputError(f"{where}: {value!r} is not a finite number of at least {minimum:g}")
    return float(value)
