# SPDX-License-Identifier: GPL-2.0-or-later
"""Board processes for the tests."""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field

_START_TIMEOUT_S = 60
_DISTRIBUTION = pathlib.Path(__file__).resolve().parents[2]


@dataclass
class BoardProcess:
    """A running board; what its one line of output says are attributes: serial, meter, probe, sd, pid, name."""

    process: subprocess.Popen
    complaints: pathlib.Path
    wires: dict = field(default_factory=dict)

    def __getattr__(self, wire: str):
        return self.wires[wire]

    def stop(self) -> None:
        """Ask it to end; it must obey."""
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        assert self.process.wait(20) == 0, self.complaints.read_text()


def start(state: pathlib.Path, *options: str, name: str = "board") -> BoardProcess:
    """A new board process, ready; raises RuntimeError with its words if it does not come up."""
    command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", name, "--state", str(state), *options]
    path = os.pathsep.join(filter(None, [str(_DISTRIBUTION), os.environ.get("PYTHONPATH")]))
    state.mkdir(parents=True, exist_ok=True)
    complaints = state / "stderr.txt"
    with complaints.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True,
                                   env={**os.environ, "PYTHONPATH": path})
    line = ""
    if select.select([process.stdout], [], [], _START_TIMEOUT_S)[0]:
        line = process.stdout.readline()
    if not line:
        process.kill()
        process.communicate()
        raise RuntimeError(f"the board did not start: {complaints.read_text()}")
    return BoardProcess(process, complaints, json.loads(line))
