# SPDX-License-Identifier: GPL-2.0-or-later
"""What a board keeps while it is off: flash and UICR, in its state folder."""

import os
from pathlib import Path

from tercet_virtual_board.engine import Chip


class State:
    """The state folder of one board: `flash.bin`, `uicr.bin`, and crash reports."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def restore(self, chip: Chip) -> None:
        """Loads flash and UICR, if there are any. Raises ValueError when a file has the wrong size."""
        for name, address, size in (("flash.bin", 0, chip.flash.nbytes), ("uicr.bin", 0x10001000, chip.uicr.nbytes)):
            path = self.folder / name
            if path.exists():
                data = path.read_bytes()
                if len(data) != size:
                    raise ValueError(f"{path}: {len(data)} bytes, expected {size}; remove the file to start with erased flash")
                chip.load(address, data)
        chip.call("flash_clean")

    def save(self, chip: Chip) -> None:
        """Writes flash and UICR, each in one step, when they have changed since the last time."""
        if not chip.view().flash_dirty:
            return
        for name, array in (("flash.bin", chip.flash), ("uicr.bin", chip.uicr)):
            partial = self.folder / f".{name}.partial"
            partial.write_bytes(array.tobytes())
            os.replace(partial, self.folder / name)
        chip.call("flash_clean")

    def write_report(self, text: str) -> Path:
        """Keeps a crash report; returns its path. Older reports stay (numbered)."""
        number = len(list(self.folder.glob("crash-*.txt"))) + 1
        path = self.folder / f"crash-{number:03d}.txt"
        path.write_text(text)
        return path
