# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds small bare images with the Arm compiler and runs them on a chip."""

import shutil
import subprocess
from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parent / "images"
GCC = "arm-none-eabi-gcc"
FLAGS = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-nostdlib", "-ffreestanding", "-Wall", "-Werror"]
MS = 64_000


@pytest.fixture(scope="session")
def build_image(tmp_path_factory):
    """Compiles `images/NAME.c` (or given source text) with the start-up code; returns the ELF's path."""
    if not shutil.which(GCC):
        pytest.skip(f"no {GCC}: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    folder = tmp_path_factory.mktemp("images")
    built: dict[tuple[str, str], Path] = {}

    def build(name: str, source: str | None = None, optimise: str = "-O2") -> Path:
        key = (source or name, optimise)
        if key not in built:
            path = IMAGES / f"{name}.c"
            if source is not None:
                path = folder / f"{name}-{len(built)}.c"
                path.write_text(source)
            target = folder / f"{Path(name).name}-{len(built)}.elf"
            command = [GCC, *FLAGS, optimise, f"-I{IMAGES}", "-T", IMAGES / "bare.ld", IMAGES / "start.c", path,
                       "-o", target]
            subprocess.run(command, check=True)
            built[key] = target
        return built[key]

    return build


class Bench:
    """A chip with an image, and what its console said."""

    def __init__(self, elf: Path, **chip):
        from tercet_virtual_board import image
        from tercet_virtual_board.engine import Chip

        self.chip = Chip(**chip)
        for address, data in image.load(elf):
            self.chip.load(address, data)
        self.chip.call("reset", 0)
        self.said = b""

    def run(self, milliseconds: float = 100, until: bytes | None = None, slice_cycles: int = MS):
        """Runs for a virtual time, or until the console has said something. Returns the last stop reason."""
        from tercet_virtual_board.engine import Stop

        end = self.chip.view().cycle + int(milliseconds * MS)
        stop = Stop.SLICE
        while self.chip.view().cycle < end and stop == Stop.SLICE and not (until and until in self.said):
            stop = self.chip.run(min(end, self.chip.view().cycle + slice_cycles))
            self.said += self.chip.serial_take()
        return stop

    def numbers(self) -> list[int]:
        """The console's lines as hexadecimal numbers."""
        return [int(line, 16) for line in self.said.split()]


@pytest.fixture
def bench(build_image):
    """`bench(name, source=None, **chip)`: a chip that runs an image; closed after the test."""
    benches = []

    def make(name: str, source: str | None = None, optimise: str = "-O2", **chip) -> Bench:
        benches.append(Bench(build_image(name, source, optimise), **chip))
        return benches[-1]

    yield make
    for made in benches:
        made.chip.close()
