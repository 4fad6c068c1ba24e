# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast the emulation is: virtual time over CPU time on one core, for bytecode and for native FPU code."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

from tercet_virtual_board import image
from tercet_virtual_board.engine import Chip

CYCLES_PER_S = 64_000_000
IMAGES = Path(__file__).resolve().parents[1] / "tests" / "images"
GCC = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-O3", "-nostdlib",
       "-ffreestanding", "-funroll-loops"]
PROGRAM = b"""
def work(n):
    s = 0
    d = {}
    for i in range(n):
        s = (s * 3 + i) & 0xffff
        d[i & 15] = s
        if s & 1:
            s += len(d)
    return s
"""


def _chip(path: Path) -> Chip:
    chip = Chip()
    for address, data in image.load(path):
        chip.load(address, data)
    chip.call("reset", 0)
    return chip


def _ratio(chip: Chip, milliseconds: int) -> float:
    """Virtual seconds in which the core was awake, a CPU second."""
    before, cpu = chip.view(), time.process_time()
    chip.run(before.cycle + milliseconds * CYCLES_PER_S // 1000)
    cpu = time.process_time() - cpu
    after = chip.view()
    awake = after.cycle - before.cycle - (after.slept_cycles - before.slept_cycles)
    return awake / CYCLES_PER_S / cpu


def _run_ms(chip: Chip, milliseconds: int) -> bytes:
    chip.run(chip.view().cycle + milliseconds * CYCLES_PER_S // 1000)
    return chip.serial_take()


def bytecode(firmware: Path, repeats: int = 3) -> float:
    """Times real time of MicroPython bytecode, the best of `repeats`. `firmware`: an image with a REPL on UARTE0."""
    chip = _chip(firmware)
    _run_ms(chip, 500)
    chip.serial_give(b"\x05" + PROGRAM + b"\x04", chip.view().cycle)
    _run_ms(chip, 500)
    chip.serial_give(b"work(10000000)\r\n", chip.view().cycle)
    if b">>>" not in _run_ms(chip, 50) and not chip.view().instructions:
        raise RuntimeError(f"{firmware}: no REPL on the console")
    best = max(_ratio(chip, 1000) for _ in range(repeats))
    chip.close()
    return best


def native(repeats: int = 3) -> float:
    """Times real time of a matrix product with the FPU, the best of `repeats`."""
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "matmul.elf"
        source = [IMAGES / "start.c", IMAGES / "matmul.c"]
        subprocess.run([*GCC, f"-I{IMAGES}", "-T", IMAGES / "bare.ld", *source, "-o", elf], check=True)
        chip = _chip(elf)
    _run_ms(chip, 100)
    best = max(_ratio(chip, 1000) for _ in range(repeats))
    chip.close()
    return best


def main(firmware: Path | None, as_json: bool) -> int:
    """Prints the figures; the exit code is 0."""
    rows = [("native-fpu-speed", native())] if IMAGES.is_dir() else []  # only a checkout has its source
    if firmware:
        rows.append(("bytecode-speed", bytecode(firmware)))
    if as_json:
        print(json.dumps([{"name": name, "value": round(value, 2), "unit": "x real time", "provenance": "measured"}
                          for name, value in rows]))
    else:
        for name, value in rows:
            print(f"{name:24} {value:6.2f} x real time (virtual over CPU time, one core)")
    return 0
