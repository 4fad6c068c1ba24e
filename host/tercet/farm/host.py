# SPDX-License-Identifier: Apache-2.0
"""tercet's commands on the host where a bench stands: on this machine, or by ssh in the checkout of the same path there."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tercet.errors import BoardError
from tercet.farm.client import Place

_LOCAL = ("localhost", "127.0.0.1", "::1")
# `timeout` also ends what a lost connection would leave running on the other host
_SCRIPT = """set -u
f=$(mktemp -d) && trap 'rm -rf "$f"' EXIT && cat >"$f/{name}.toml" && cd {folder} || exit 1
timeout -k 10 {deadline_s:.3f} {python} -m tercet.cli.main {words} --bench "$f/{name}.toml" --json </dev/null
"""


class Hosts:
    """Runs commands and knows which are under way, so that they can be ended together."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def run(self, place: Place, words: Sequence[str], folder: Path, deadline_s: float) -> Any:
        """What `tercet WORDS --json` prints about the place's bench, run in `folder` at its host.

        Raises BoardError with the last of its diagnostics when it prints nothing, does not end within the deadline, or was ended.
        """
        local = place.host in _LOCAL
        python = shlex.quote(sys.executable) if local else ".venv/bin/python"
        script = _SCRIPT.format(
            name=place.name, folder=shlex.quote(str(folder)), deadline_s=deadline_s, python=python, words=shlex.join(words)
        )
        process = self._start(["sh", "-c", script] if local else ["ssh", "-o", "BatchMode=yes", place.host, script])
        try:
            printed, diagnostics = process.communicate(place.bench_file().encode(), timeout=deadline_s + 30)
        except subprocess.TimeoutExpired:
            _kill(process)
            printed, diagnostics = process.communicate()
        finally:
            with self._lock:
                self._running.discard(process)
        with contextlib.suppress(ValueError):
            found = json.loads(printed)
            if not (isinstance(found, dict) and set(found) == {"error", "hint", "kind"}):
                return found
            raise BoardError(f"{place.name}: {found['error']}", hint=found["hint"])
        last = " / ".join(diagnostics.decode(errors="replace").strip().splitlines()[-2:])
        late = f"did not end within {deadline_s:g} s" if process.returncode in (124, 137) else f"failed: {last}"
        raise BoardError(f"{place.name}: tercet {words[0]} on {place.host} {'was ended' if self._ended else late}")

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A process group of its own: an interrupt at the terminal goes to us, and we end the command in order."""
        with self._lock:
            if self._ended:
                raise BoardError("the run was ended")
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
            self._running.add(process)
        return process

    def end(self) -> None:
        """Ends what runs; nothing is started any more."""
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def together(threads: Sequence[threading.Thread], end: Callable[[], None]) -> None:
    """Runs threads to their end; an interrupt calls `end`, which makes them stop, and goes on once they have."""
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        end()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        raise
