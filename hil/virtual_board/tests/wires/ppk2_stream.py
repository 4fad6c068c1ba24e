# SPDX-License-Identifier: GPL-2.0-or-later
"""An independent reader of the PPK2 stream, written from the protocol's description only."""

import numpy as np

_KEYS = ("R", "GS", "GI", "O", "S", "I", "UG")


def parse_metadata(text: bytes) -> dict[str, list[float]]:
    """Key -> values of the five ranges, from the metadata text; stale samples may stand before it."""
    body = text[text.index(b"Calibrated") : text.index(b"END")].decode("ascii")
    pairs = dict(line.split(": ") for line in body.splitlines())
    return {key: [float(pairs[f"{key}{r}"]) for r in range(5)] for key in _KEYS}


def decode(stream: bytes, constants: dict[str, list[float]], volts: float) -> dict[str, np.ndarray]:
    """Currents in microamperes, ranges, counters and logic levels of the samples of a stream."""
    words = np.frombuffer(stream, dtype="<u4")
    ranges = (words >> 14 & 7).astype(int)
    c = {key: np.array(values)[ranges] for key, values in constants.items()}
    x = (4.0 * (words & 0x3FFF) - c["O"]) * (1.8 / 163840) / c["R"]
    amperes = c["UG"] * (x * (c["GS"] * x + c["GI"]) + c["S"] * volts + c["I"])
    return {"current_ua": amperes * 1e6, "range": ranges, "counter": words >> 18 & 63, "logic": words >> 24}


def lost_samples(counter: np.ndarray) -> int:
    """Samples missing between successive ones, as far as the counter can tell (multiples of 64 are invisible)."""
    return int(((np.diff(counter.astype(int)) - 1) % 64).sum())
