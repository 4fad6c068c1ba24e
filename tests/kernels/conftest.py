# SPDX-License-Identifier: Apache-2.0
"""The kernels as a shared library of this machine, and calls by name of the kernel table."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tercet.kernel_table import HYPER, KERNELS

ROOT = Path(__file__).resolve().parents[2]
KERNELS_DIR = ROOT / "firmware" / "kernels"
FLAGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fno-math-errno"]
FLAGS += ["-DTK_WITH_CONV", "-DTK_WITH_EXTRA"]
PORTABLE = sorted(p for p in KERNELS_DIR.glob("tk_*.c") if not p.stem.endswith("_m4") and "packed" not in p.stem)


def compile_c(output: Path, sources: list[Path], *options: str) -> Path:
    """The path of the program or library made of `sources`."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc: install it to test the kernels on this machine")
    subprocess.run(["gcc", *FLAGS, *options, *map(str, sources), "-o", str(output), "-lm"], check=True)
    return output


class Library:
    """The kernels through tk_exec: `run(op, dims, hyper, **tensors)` works in place on NumPy arrays."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))

    def run(self, op: str, dims: tuple[int, ...], hyper: dict[str, float] | None = None, **tensors: np.ndarray) -> None:
        """Executes `op`; an operand that is not given is absent."""
        row = KERNELS[op]
        assert len(dims) == len(row.dims) and set(tensors) <= set(row.tensors)
        arrays = [tensors.get(name) for name in row.tensors]
        assert all(a is None or a.flags.c_contiguous for a in arrays)
        pointers = (ctypes.c_void_p * len(arrays))(*(None if a is None else a.ctypes.data for a in arrays))
        settings = np.array([(hyper or {}).get(name, np.nan) for name in HYPER], np.float32)
        integers = (ctypes.c_int32 * len(dims))(*dims)
        status = self.c.tk_exec(row.opcode, pointers, integers, settings.ctypes.data_as(ctypes.c_void_p))
        assert status == 0, f"{op} is not in this build"

    def map(self, function: str, x: np.ndarray) -> np.ndarray:
        """An elementary function of each element."""
        call = self.c[function]
        call.restype, call.argtypes = ctypes.c_float, [ctypes.c_float]
        return np.array([call(v) for v in x.astype(np.float32).tolist()], np.float32)


@pytest.fixture(scope="session")
def build():
    """`compile_c`, the folder of the kernels and the sources of every portable one."""
    return compile_c, KERNELS_DIR, PORTABLE


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The library of every kernel."""
    return Library(compile_c(tmp_path_factory.mktemp("kernels") / "libtercet.so", PORTABLE, "-shared", "-fPIC"))
