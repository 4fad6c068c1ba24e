# SPDX-License-Identifier: Apache-2.0
"""Every fast kernel equals its naive one bit by bit, under address and undefined-behaviour sanitizers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_kernels_equal_naive_ones_under_sanitizers(tmp_path, build):
    compile_c, folder, portable = build
    sources = [*sorted(HERE.glob("check*.c")), *portable, *sorted((folder / "naive").glob("*.c"))]
    sources = [s for s in sources if s.stem != "check_m4"]
    done = subprocess.run([compile_c(tmp_path / "check", sources, *SANITIZE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert int(done.stdout.split()[0]) > 10_000


def test_the_opcodes_are_those_of_the_kernel_table(build):
    folder = build[1]
    command = [sys.executable, folder / "generate_opcodes.py", "--check"]
    assert subprocess.run(command, check=False).returncode == 0, (
        "tk_opcodes.h is out of date: make generate"
    )
