# SPDX-License-Identifier: GPL-2.0-or-later
"""`make board-coverage`, on a single test."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("gcov")), reason="no gcc with gcov: apt-get install gcc")
def test_lines_of_both_parts_are_counted_in_processes_too(tmp_path):
    pytest.importorskip("coverage", reason="no coverage: pip install coverage")
    chosen = f"{HERE / 'test_process.py'}::test_crash_leaves_a_report"
    command = [sys.executable, HERE.parent / "code_coverage.py", "--work", tmp_path / "work", "--json", tmp_path / "rows.json",
               chosen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["name"]: row["value"] for row in json.loads((tmp_path / "rows.json").read_text())}
    assert 20 < rows["python-coverage"] < 90 and 20 < rows["core-coverage"] < 90
    table = [line.split() for line in done.stdout.splitlines() if " of " in line]
    counts = {words[0]: (int(words[1]), int(words[3])) for words in table if "/" in words[0]}
    for file in ("tercet_virtual_board/crash.py", "core/absent.c"):  # that only the board's process runs
        run, lines = counts[file]
        assert 0 < run <= lines
    assert counts["tercet_virtual_board/bench.py"][0] == 0, "a file that nothing imports counts too"
