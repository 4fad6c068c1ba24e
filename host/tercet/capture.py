# SPDX-License-Identifier: Apache-2.0
"""What a meter recorded: current and logic levels on one even time axis, with every loss in its place."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts
from tercet.errors import ArtifactError, InputError

SCHEMA = "tercet-capture/1"
NO_RANGE = 255
_HEAD = ("rate_hz", "volts", "provenance", "meter", "mode", "rail", "card_on_rail", "usb_on_rail", "logic_inputs")


@dataclass(frozen=True)
class Capture:
    """Samples of a meter.

    `current_a` is float32 [n] in amperes, NaN where a sample was lost, so that an index is a time; `logic` uint8 [n]
    holds D0..D7; `range_index` uint8 [n] the measuring range (255: none or lost); `saturated` bool [n]; `volts_v`
    float32 [n] or None where the meter measures no voltage, then the rail has `volts` (None: unknown). `provenance`
    is `measured` or `modelled`.
    """

    current_a: np.ndarray
    logic: np.ndarray
    rate_hz: float
    volts: float | None
    provenance: str
    meter: str = ""
    mode: str = "ampere"
    rail: str = ""
    card_on_rail: bool = False
    usb_on_rail: bool = False
    logic_inputs: int = 8
    range_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    saturated: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    volts_v: np.ndarray | None = None
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.current_a)
        defaults = (("range_index", np.full(count, NO_RANGE, np.uint8)), ("saturated", np.zeros(count, bool)))
        for name, value in defaults:
            if len(getattr(self, name)) != count:
                object.__setattr__(self, name, value)
        if len(self.logic) != count:
            raise InputError(f"a capture with {count} currents and {len(self.logic)} logic levels")

    def __len__(self) -> int:
        return len(self.current_a)

    @property
    def lost_samples(self) -> int:
        """The number of samples that never arrived."""
        return int(np.count_nonzero(np.isnan(self.current_a)))

    @property
    def duration_s(self) -> float:
        """The time between the first and the last sample."""
        return len(self) / self.rate_hz

    def cut(self, first: int, last: int) -> Capture:
        """The samples `first` up to, not including, `last`."""
        part = slice(first, last)
        volts_v = None if self.volts_v is None else self.volts_v[part]
        return replace(
            self, current_a=self.current_a[part], logic=self.logic[part], range_index=self.range_index[part],
            saturated=self.saturated[part], volts_v=volts_v,
        )  # fmt: skip

    def statistics(self) -> dict[str, Any]:
        """`{"samples","lost","mean_a","maximum_a","charge_c","energy_j"}`; energy is None without a voltage."""
        valid = self.current_a[~np.isnan(self.current_a)].astype(np.float64)
        charge = float(valid.sum() / self.rate_hz)
        return {
            "samples": len(self), "lost": self.lost_samples, "mean_a": float(valid.mean()) if len(valid) else 0.0,
            "maximum_a": float(valid.max()) if len(valid) else 0.0, "charge_c": charge,
            "energy_j": None if self.volts is None else charge * self.volts,
        }  # fmt: skip


def save(capture: Capture, path: str | Path, inputs: dict[str, str] | None = None) -> Path:
    """Writes capture.npz, compressed and atomically, and returns its path."""
    head = {"schema": SCHEMA, "inputs": inputs or {}, **{name: getattr(capture, name) for name in _HEAD}}
    head["problems"] = list(capture.problems)
    arrays: dict[str, Any] = {"current_a": capture.current_a.astype(np.float32), "logic": capture.logic.astype(np.uint8)}
    arrays |= {"range_index": capture.range_index.astype(np.uint8), "saturated": np.packbits(capture.saturated)}
    if capture.volts_v is not None:
        arrays["volts_v"] = capture.volts_v.astype(np.float32)
    stream = io.BytesIO()
    np.savez_compressed(stream, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)
    return artifacts.write_bytes(path, stream.getvalue())


def load(path: str | Path) -> Capture:
    """The capture in a file; raises InputError when it is missing, ArtifactError when it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            if head.get("schema") != SCHEMA:
                raise ArtifactError(f"{path}: its schema is {head.get('schema')!r}, expected {SCHEMA!r}")
            count = len(file["current_a"])
            return Capture(
                file["current_a"], file["logic"], range_index=file["range_index"],
                saturated=np.unpackbits(file["saturated"], count=count).astype(bool),
                volts_v=file.get("volts_v"), problems=tuple(head["problems"]),
                **{name: head[name] for name in _HEAD},
            )  # fmt: skip
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise ArtifactError(f"{path}: not a complete capture: {error}") from error
