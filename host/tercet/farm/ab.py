# SPDX-License-Identifier: Apache-2.0
"""The energy of one piece of MicroPython code against another, interleaved on the same board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tercet.farm.lab import Lab, TestMeter
from tercet.profile.region import Metered


def compare(board: str | None, bench: Path | None, old: str, new: str, *, setup: str = "", pairs: int = 20) -> dict[str, Any]:
    """`{"bench","change","ci","significant","old_uj","new_uj","pairs","samples","lost_samples","provenance"}`.

    `change` and half of its 95 % interval `ci` are shares of the old code's net energy. Raises MeterError when the
    measurement is INVALID.
    """
    lab = Lab(board, bench, None, None)
    try:
        kept: list[Metered] = []
        change = TestMeter(lab, lab.board(), kept).compare(old, new, setup=setup, pairs=pairs)
        metered, where = kept[-1], lab.where()
    finally:
        lab.drop()
    return {
        "bench": where, "change": change.change, "ci": change.ci, "significant": change.significant,
        "old_uj": float(metered.net_j(0, 2).mean() * 1e6), "new_uj": float(metered.net_j(1, 2).mean() * 1e6), "pairs": pairs,
        "samples": len(metered.capture), "lost_samples": metered.capture.lost_samples,
        "provenance": metered.measurement.provenance,
    }  # fmt: skip
