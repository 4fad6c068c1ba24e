# SPDX-License-Identifier: Apache-2.0
"""Numbers as people write them: `94k` bytes, `120ms`, `2mJ`; and back."""

from __future__ import annotations

import re

from tercet.errors import InputError

_BYTES = {"": 1, "b": 1, "k": 1024, "kb": 1000, "kib": 1024, "m": 1024**2, "mb": 1000**2, "mib": 1024**2}


def parse_bytes(text: str) -> int:
    """Bytes from `65536`, `64k`, `64KiB`, `1.5M`; raises InputError."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", text)
    if not match or match[2].lower() not in _BYTES:
        raise InputError(f"{text!r} is not a size", hint="write 98304, 96k or 96KiB")
    return round(float(match[1]) * _BYTES[match[2].lower()])


def format_bytes(count: float) -> str:
    """`94.0 KiB`, as reports print it."""
    for unit, size in (("MiB", 1024**2), ("KiB", 1024)):
        if abs(count) >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


_JOULES = {"j": 1.0, "mj": 1e-3, "uj": 1e-6, "nj": 1e-9}


def parse_joules(text: str) -> float:
    """Joules from `2mJ`, `150uJ`, `0.5 J`; raises InputError."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)\s*", text)
    if not match or match[2].lower() not in _JOULES:
        raise InputError(f"{text!r} is not an energy", hint="write 2mJ, 150uJ or 0.5J")
    return float(match[1]) * _JOULES[match[2].lower()]


def format_joules(joules: float) -> str:
    """`1.234 mJ`, with three decimals in the unit that fits."""
    for unit, size in (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6)):
        if abs(joules) >= size:
            return f"{joules / size:.3f} {unit}"
    return f"{joules / 1e-9:.1f} nJ"
