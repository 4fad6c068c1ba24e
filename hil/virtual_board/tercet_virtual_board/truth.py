# SPDX-License-Identifier: GPL-2.0-or-later
"""What a meter can only estimate: the board's own charge integral at each edge of the region pin, and exact samples.

For tests of whoever meters: `charge.jsonl` has lines {"cycle", "level", "soc_c", "card_c"} with coulombs since the start, one for
each edge of P1.01 and, with level null, one for each slice; `samples.f64` (microamperes) and `samples.u8` (D0..D7) hold what
the meter saw, 10 us each, before its range switching, noise and quantisation.
"""

import json
from pathlib import Path

import numpy as np

from tercet_virtual_board.engine import Chip
from tercet_virtual_board.meter import Ppk2
from tercet_virtual_board.meter_wire import MeterWire

REGION = 33  # P1.01; P1.00 is 32
_FILES = ("samples.f64", "samples.u8")


class Truth:
    """Writes the files of one board into a folder, flushed slice by slice."""

    def __init__(self, folder: Path, chip: Chip, meter: MeterWire):
        folder.mkdir(parents=True, exist_ok=True)
        self._chip = chip
        self._charge = (folder / "charge.jsonl").open("w")
        self._samples = [(folder / name).open("wb") for name in _FILES]
        chip.watch(REGION, lambda cycle, _, level: self.note(cycle, level))
        meter.on_samples = self._take

    def note(self, cycle: int, level: int | None) -> None:
        """Notes the charge at this moment."""
        view = self._chip.view()
        line = {"cycle": cycle, "level": level, "soc_c": view.soc_coulomb, "card_c": view.card_coulomb}
        self._charge.write(json.dumps(line) + "\n")
        if level is None:
            self._charge.flush()

    def _take(self, current_ua: np.ndarray, logic: np.ndarray) -> None:
        for file, values in zip(self._samples, (current_ua, logic), strict=True):
            file.write(values.tobytes())
            file.flush()

    def close(self) -> None:
        """Ends the files."""
        for file in (self._charge, *self._samples):
            file.close()


def meter_again(folder: Path, jobs: Path, out: Path) -> int:
    """Sends spans of kept samples through a fresh meter for each job; returns 0."""
    current_ua, logic = (np.fromfile(folder / name, kind) for name, kind in zip(_FILES, (np.float64, np.uint8), strict=True))
    for line in jobs.read_text().splitlines():
        job = json.loads(line)
        meter = Ppk2(seed=job["seed"])
        chosen = np.concatenate([np.arange(first, last) for first, last in job["spans"]])
        text = meter.feed_host_bytes(b"\x19")
        meter.feed_host_bytes(b"\x06")
        (out / f"{job['seed']}.txt").write_bytes(text)
        (out / f"{job['seed']}.bin").write_bytes(meter.push(current_ua[chosen], logic[chosen]))
    return 0
