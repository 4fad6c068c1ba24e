# SPDX-License-Identifier: Apache-2.0
"""One command of tercet on every free place of a farm at the same time: a profile, an A/B comparison, a flash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tercet.errors import TercetError
from tercet.farm.client import Farm
from tercet.farm.host import Hosts, together

PLACE = "{place}"
_DEADLINE_S = 3600.0


def run(farm: Farm, words: Sequence[str], folder: Path, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Runs `tercet WORDS` about each place that nobody holds, `{place}` replaced by its name.

    Returns `{"results": {place: what it printed}, "failed": {place: why}, "busy": [place, ...]}`. An interrupt ends all commands
    and gives the places back.
    """
    found: dict[str, Any] = {"results": {}, "failed": {}, "busy": []}
    hosts = Hosts()

    def work(name: str) -> None:
        try:
            place = farm.lock(name)
        except TercetError:
            found["busy"].append(name)
            return
        try:
            found["results"][name] = hosts.run(place, [word.replace(PLACE, name) for word in words], folder, _DEADLINE_S)
            say(f"{name}: done")
        except TercetError as error:
            found["failed"][name] = error.message
            say(f"{name}: {error.message}")
        finally:
            farm.release(name)

    together([threading.Thread(target=work, args=(name,)) for name in farm.places()], hosts.end)
    return found
