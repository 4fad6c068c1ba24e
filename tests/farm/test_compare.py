# SPDX-License-Identifier: Apache-2.0
"""`tercet hil --compare`: what a change of code costs."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.board


def test_half_the_work_takes_half_the_energy(tmp_path):
    (tmp_path / "setup.py").write_text("n = 1200")
    (tmp_path / "old.py").write_text("for _ in range(n):\n    pass")
    (tmp_path / "new.py").write_text("for _ in range(n // 2):\n    pass")
    files = [str(tmp_path / name) for name in ("old.py", "new.py")]
    words = ["hil", "--compare", *files, "--setup", str(tmp_path / "setup.py"), "--pairs", "8", "--json"]
    done = subprocess.run([sys.executable, "-m", "tercet.cli.main", *words], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["significant"] and found["change"] == pytest.approx(-0.5, abs=0.03) and found["ci"] < 0.03
    assert found["new_uj"] < found["old_uj"] and found["lost_samples"] == 0 and found["provenance"] == "modelled"
