# SPDX-License-Identifier: Apache-2.0
"""The boards that tercet knows: memory map, ways to flash them, pins. One TOML file each under `targets/`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tercet.errors import ArtifactError, InputError

_FOLDER = Path(__file__).with_name("targets")


@dataclass(frozen=True)
class Region:
    """Memory from `start` up to, not including, `end`. `use`: application bootloader softdevice filesystem uicr ram."""

    name: str
    start: int
    end: int
    use: str

    def holds(self, start: int, end: int) -> bool:
        """Whether the addresses from `start` up to `end` lie inside."""
        return self.start <= start and end <= self.end


@dataclass(frozen=True)
class Target:
    """A kind of board.

    `strategies` are names of ways to flash it, the best first. `machine` is a part of the board's
    `sys.implementation._machine`; `usb_ids` are (vendor, product) pairs of its serial ports. `markers` holds the
    registers (`[direction set, set, clear, first bit]`) and pin names of D0..D7, `card` the pins of the SD card,
    `uf2` the family and identity that its bootloader tells. `sources` says where each statement comes from.
    """

    name: str
    title: str
    mcu: str
    clock_hz: int
    mpy_arch: str
    machine: str
    strategies: tuple[str, ...]
    regions: tuple[Region, ...]
    usb_ids: tuple[tuple[int, int], ...]
    markers: dict[str, Any]
    card: dict[str, Any]
    pyocd_target: str = ""
    openocd_config: str = ""
    uf2: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notes: str = ""

    @property
    def application(self) -> Region:
        """Where a firmware image may lie."""
        return next(region for region in self.regions if region.use == "application")

    def region(self, use: str) -> Region | None:
        """The first region of that use."""
        return next((region for region in self.regions if region.use == use), None)


def names() -> tuple[str, ...]:
    """The names of all targets, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load(name: str) -> Target:
    """The target of that name, or the one in the TOML file of that path; raises InputError when there is none."""
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        raise InputError(f"no target is called {name!r}", hint=f"one of {', '.join(names())}")
    try:
        return _decode(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: not a complete target: {error!r}") from error


def _decode(name: str, body: dict[str, Any]) -> Target:
    regions = tuple(Region(r["name"], r["start"], r["end"], r["use"]) for r in body["region"])
    if not any(region.use == "application" for region in regions):
        raise ValueError("no region for the application")
    return Target(
        name, body["title"], body["mcu"], body["clock_hz"], body["mpy_arch"], body["machine"], tuple(body["strategies"]),
        regions, tuple((vendor, product) for vendor, product in body["usb_ids"]),
        **{key: body[key] for key in ("pyocd_target", "openocd_config", "uf2", "sources", "notes") if key in body},
        markers=body.get("markers", {}), card=body.get("card", {}),
    )  # fmt: skip
