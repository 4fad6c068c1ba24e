# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be chosen about a board."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The arguments of `run`; sizes in KB of 1024 bytes."""

    name: str
    state: Path
    image: Path | None = None
    sd: Path | None = None
    sd_mb: int = 64
    sd_profile: str = "ordinary"
    sd_type: str = "sdhc"
    sd_write_protected: bool = False
    faults: Path | None = None
    pace: str = "realtime"
    ram_kb: int = 256
    seed: int = 1
    tcp_serial: int | None = None
    line: str = "usb"
    meter_noise: bool = True
    rail: str = "board"
    cycle_model: str = "zero"
    input: Path | None = None
    stop_at_ms: float | None = None
    truth: Path | None = None
    spim3_errata: bool = False
