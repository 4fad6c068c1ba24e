# SPDX-License-Identifier: GPL-2.0-or-later
"""Console input from a file, each piece at its virtual time: with it, runs repeat to the cycle."""

import json
from pathlib import Path

CYCLES_PER_MS = 64_000


class Script:
    """JSON lines `{"at_ms": 400, "text": "print(1)\\r\\n"}` (or `"hex": "04"`), in order of time.

    Raises ValueError for a line that is not understood.
    """

    def __init__(self, path: Path | None):
        self._pieces: list[tuple[int, bytes]] = []
        for number, line in enumerate(path.read_text().splitlines() if path else [], 1):
            try:
                piece = json.loads(line)
                data = bytes.fromhex(piece["hex"]) if "hex" in piece else piece["text"].encode()
                self._pieces.append((int(piece["at_ms"] * CYCLES_PER_MS), data))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error

    def take(self, room: int) -> list[tuple[int, bytes]]:
        """The next pieces, at most `room` bytes of them."""
        taken = []
        while self._pieces and len(self._pieces[0][1]) <= room:
            taken.append(self._pieces.pop(0))
            room -= len(taken[-1][1])
        return taken
