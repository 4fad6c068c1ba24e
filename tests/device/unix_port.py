# SPDX-License-Identifier: Apache-2.0
"""Runs the device library on MicroPython's unix port with the x64 kernels: the fast place for device tests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tercet.train.job import Job

ROOT = Path(__file__).parents[2]
MICROPYTHON = ROOT / "build" / "firmware" / "unix" / "micropython"
KERNELS = ROOT / "build" / "firmware" / "natmod" / "x64"


def run(code: str, folder: Path, heap: str = "2m", operators: str = "mlp") -> list[dict[str, Any]]:
    """The tagged lines that `code` prints; fails the test when the program raises."""
    if not MICROPYTHON.exists():
        pytest.skip("MicroPython's unix port is not built: make firmware")
    paths = [str(ROOT / "device_lib"), str(KERNELS / operators), str(KERNELS / "cipher"), ".frozen"]
    program = folder / "program.py"
    program.write_text(f"import sys\nsys.path[:] = {paths!r}\n{code}\n")
    done = subprocess.run(
        [str(MICROPYTHON), "-X", f"heapsize={heap}", str(program)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line[8:]) for line in done.stdout.splitlines() if line.startswith("@tercet ")]


def prepare_job(job: Job, folder: Path, **changes: Any) -> Path:
    """Writes a job's files into `folder`, `changes` replacing its settings, and returns the job's path."""
    settings = {**job.settings, "markers": None, "card": None, "store": {"kind": "file", "path": str(folder / "pages")}}
    for path, data in job.files.items():
        (folder / Path(path).name).write_bytes(data)
    if not isinstance(settings["weights"], str):  # they would start from the card
        (folder / "weights.bin").write_bytes(job.card_files[settings["weights"][2]])
        settings["weights"], settings["result"] = "weights.bin", "trained.bin"
    for name in ("plan", "weights", "data", "result"):
        settings[name] = str(folder / Path(settings[name]).name)
    if "checkpoint" in settings:
        settings["checkpoint"] = {**settings["checkpoint"], "path": str(folder / "checkpoint"), "key": None}
    (folder / "job.json").write_text(json.dumps({**settings, **changes}))
    return folder / "job.json"


def run_job(job: Job, folder: Path, operators: str = "mlp", **changes: Any) -> list[dict[str, Any]]:
    """The events of a job whose files lie in `folder`; `changes` replace settings of the job."""
    path = prepare_job(job, folder, **changes)
    return run(f"from tercet_device import loop\nloop.main({str(path)!r})", folder, operators=operators)


def last(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The last event of a kind."""
    return [event for event in events if event["event"] == kind][-1]
