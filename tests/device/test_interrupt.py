# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at any stage of the main job: exit code 130, no board process left, no half-written artefact."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tercet import artifacts, costs, plan_format
from tercet.kernel_table import KERNELS

pytestmark = [pytest.mark.board, pytest.mark.slow, pytest.mark.timeout(400)]
COUNTS = {k.opcode: (len(k.tensors), len(k.dims)) for k in KERNELS.values()} | {
    plan_format.PAGE_OUT: (2, 4), plan_format.PAGE_IN: (2, 4), plan_format.WAIT: (0, 0),
}  # fmt: skip


def processes(folder: Path) -> list[str]:
    """The command lines of virtual boards that keep their state in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "tercet_virtual_board" in words and str(folder) in words:
            found.append(words)
    return found


def interrupt(out: Path, stage: str) -> int:
    """Runs the demo until its progress tells `stage`, then presses Ctrl-C; returns the exit code."""
    command = [sys.executable, "-m", "tercet.cli.main", "demo", "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if stage in line:
                process.send_signal(signal.SIGINT)
                break
        else:
            raise AssertionError(f"the demo ended before {stage!r}")
        process.stderr.read()
        return process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def check(out: Path) -> None:
    """Whatever stands in `out` is whole."""
    assert not processes(out)
    assert not [path for path in out.glob(".*") if path.is_file()]
    for path in out.glob("*.json"):
        assert json.loads(path.read_text())["schema"].startswith("tercet-")
    if (out / "costs.json").exists():
        costs.load(out / "costs.json")
    if (out / "plan.bin").exists():
        plan_format.decode((out / "plan.bin").read_bytes(), COUNTS)
    if (out / "run.jsonl").exists():
        assert artifacts.sha256_file(out / "run.jsonl")


def test_ctrl_c_at_every_stage(tmp_path: Path) -> None:
    # a run in the background may ignore the signal, and its children with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not Path("/proc").is_dir():
        pytest.skip("looks for processes under /proc: run it on Linux")
    for stage in ("timing", "measuring", "schedule", "metered", "training"):
        assert interrupt(tmp_path, stage) == 130, stage
        check(tmp_path)
