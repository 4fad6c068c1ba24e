# SPDX-License-Identifier: GPL-2.0-or-later
"""The C core as a shared library: built once, kept by the hash of its source.

`TERCET_CORE_CFLAGS` adds compiler flags, for instance `--coverage -dumpdir /tmp/cov/`.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ["-O2", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno"]


class BuildError(RuntimeError):
    """The C compiler is missing or refused the core's source."""


def unicorn_folder() -> Path:
    """Folder of the installed `unicorn` package: its header files and its library."""
    import unicorn

    return Path(unicorn.__file__).resolve().parent


def unicorn_library() -> Path:
    """Path of the engine's shared library inside the `unicorn` package."""
    folder = unicorn_folder() / "lib"
    found = sorted(folder.glob("libunicorn.so*")) or sorted(folder.glob("libunicorn*.dylib"))
    if not found:
        raise BuildError(f"no libunicorn in {folder}: install the `unicorn` package again")
    return found[0]


def compile_core(source: Path, target: Path) -> None:
    """Compiles all C files of `source` into the shared library `target`. Raises BuildError."""
    compiler = os.environ.get("CC", "cc")
    extra = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    extra += os.environ.get("TERCET_CORE_CFLAGS", "").split()
    files = [str(p) for p in sorted(source.glob("*.c"))]
    command = [compiler, *FLAGS, *extra, f"-I{unicorn_folder() / 'include'}", *files, "-o", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"no C compiler {compiler!r}: install gcc or clang, or set CC") from error
    if done.returncode:
        raise BuildError(f"the C core does not compile:\n{done.stderr}")


def core_library() -> Path:
    """Path of the core's library: the one of the wheel, or one built here and kept in the user's cache."""
    source = HERE.parent / "core"
    if not (source / "board.h").exists():
        return HERE / "_core.so"
    digest = hashlib.sha256()
    for path in sorted(source.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    flags = [*FLAGS, os.environ.get("TERCET_CORE_CFLAGS", ""), str(unicorn_library().stat().st_size)]
    digest.update(" ".join(flags).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tercet-virtual-board"
    target = cache / f"core-{digest.hexdigest()[:20]}.so"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            built = Path(folder) / "core.so"
            compile_core(source, built)
            os.replace(built, target)
    return target
