# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4F's assembler blocks equal the naive kernels bit by bit, on a second emulator (QEMU)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORE = ["-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
FLAGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fno-math-errno",
         "-fno-tree-loop-distribute-patterns", "-DTK_WITH_CONV", "-DTK_WITH_EXTRA", "-nostdlib"]  # fmt: skip


@pytest.mark.timeout(240)
def test_blocks_of_the_cortex_m4_equal_naive_ones(tmp_path, build):
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool}: install gcc-arm-none-eabi and qemu-system-arm")
    folder = build[1]
    kernels = [p for p in sorted(folder.glob("tk_*.c")) if "packed" not in p.stem]
    checks = [p for p in sorted(HERE.glob("check*.c")) if p.stem != "check_host"]
    image = tmp_path / "check.elf"
    sources = [*checks, *kernels, *sorted((folder / "naive").glob("*.c"))]
    linking = [f"-Wl,-T,{HERE / 'check_m4.ld'}", *map(str, sources), "-lgcc", "-o", str(image)]
    subprocess.run(["arm-none-eabi-gcc", *CORE, *FLAGS, *linking], check=True)
    machine = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-serial", "none", "-monitor", "none"]
    command = [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(image)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    words = (done.stdout + done.stderr).split()
    assert words[-4:][1:] == ["comparisons,", "0", "failures"], (done.stdout + done.stderr)[-2000:]
    assert int(words[-4]) > 10_000
