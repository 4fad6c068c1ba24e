# SPDX-License-Identifier: Apache-2.0
"""How fast the virtual board runs: virtual time over the processor's time, as the board's own process measures it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tercet import resources
from tercet.errors import BoardError

_LIMIT_S = 600


def run(*, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """`{"name","value","unit","provenance"}` rows; raises BoardError when the board's process fails."""
    say("running bytecode and native code on a virtual board")
    command = [sys.executable, "-m", "tercet_virtual_board", "bench", "--json", "--image", str(resources.firmware("nrf52840dk"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    try:
        rows = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise BoardError(f"the virtual board's bench failed: {last}", hint="tercet doctor") from error
    return list(rows)
