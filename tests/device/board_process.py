# SPDX-License-Identifier: Apache-2.0
"""The virtual board as other people meet it: a process behind a command line, a serial port, mpremote."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "build" / "firmware"
_START_TIMEOUT_S = 120  # the first start compiles the board's core


@dataclass
class VirtualBoard:
    """A running board. `serial`, `meter` and `probe` are its wires, `sd` its card image or None."""

    process: subprocess.Popen[str]
    state: Path
    wires: dict[str, Any] = field(default_factory=dict)

    @property
    def serial(self) -> str:
        return self.wires["serial"]

    @property
    def meter(self) -> str:
        return self.wires["meter"]

    @property
    def probe(self) -> str:
        return self.wires["probe"]

    @property
    def sd(self) -> str | None:
        return self.wires["sd"]

    def mpremote(self, *words: str | Path, port: str | Path | None = None, timeout_s: float = 60) -> str:
        """What an unmodified mpremote prints for these words; fails the test when it fails."""
        command = [sys.executable, "-m", "mpremote", "connect", str(port or self.serial), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert done.returncode == 0, f"mpremote {words} failed:\n{done.stdout}\n{done.stderr}\n{self.complaints()}"
        return done.stdout

    def run(self, code: str, timeout_s: float = 60) -> str:
        """What a program prints on the board, without a soft reset before it."""
        return self.mpremote("resume", "exec", code, timeout_s=timeout_s)

    def complaints(self) -> str:
        """What the process has written to its standard error."""
        return (self.state / "stderr.txt").read_text()

    def stop(self) -> None:
        """Ends the process; it must end on SIGTERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            finally:
                if self.process.stdout:
                    self.process.stdout.close()


def start(state: Path, *options: str | Path, name: str = "test") -> VirtualBoard:
    """A board that answers, with its state (flash, card) in `state`. Raises RuntimeError with its words otherwise."""
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", name, "--state", str(state)]
    path = os.pathsep.join(filter(None, [str(ROOT / "hil" / "virtual_board"), os.environ.get("PYTHONPATH")]))
    with (state / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=stderr, text=True,
            env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        )
    board = VirtualBoard(process, state)
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], _START_TIMEOUT_S)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        process.communicate()
        raise RuntimeError(f"the virtual board did not start: {board.complaints()}")
    board.wires = json.loads(line)
    return board
