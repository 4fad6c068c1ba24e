# SPDX-License-Identifier: Apache-2.0
"""Power cuts and bit flips on the virtual board while it trains with pages: nothing may be lost, nothing wrong unnoticed.

    python hil/faults [--tenth] [--seed N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

import board
import flips
import power

CUTS, FLIPS = 1000, 10_000
MUST_BE_ZERO = ("checkpoints_lost", "resumes_differ", "undetected", "wrong_weights")


def say(text: str) -> None:
    """Progress."""
    print(f"faults: {text}", file=sys.stderr, flush=True)


def run(cuts: int, bit_flips: int, seed: int) -> dict[str, int]:
    """The six counts."""
    with tempfile.TemporaryDirectory(prefix="tercet-faults-") as folder:
        place = board.Place(Path(folder))
        clean = place.run([])
        counts = power.cut(place, clean, cuts, random.Random(f"power {seed}"), say)
        return counts | flips.flip(place, clean, bit_flips, random.Random(f"flips {seed}"), say)


def main() -> int:
    """Exit code: 0 when nothing was lost, wrong or unnoticed."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--tenth", action="store_true", help="a tenth of the cuts and flips")
    parser.add_argument("--seed", type=int, default=1, help="decides instants, blocks and bits")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the counts")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    share = 10 if given.tenth else 1
    counts = run(CUTS // share, FLIPS // share, given.seed)
    rows = [{"name": name, "value": value, "unit": "", "provenance": "modelled"} for name, value in counts.items()]
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(rows) + "\n")
    for row in rows:
        print(f"{row['name']:<18}{row['value']:>8}")
    return int(any(counts[name] for name in MUST_BE_ZERO))


if __name__ == "__main__":
    sys.exit(main())
