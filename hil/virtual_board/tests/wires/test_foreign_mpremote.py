# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified mpremote at the virtual board's console."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mpremote", reason="mpremote is not installed: pip install mpremote")


def mpremote(port, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "mpremote", "connect", str(port), *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(params=["terminal", "symlink"])
def console(request, start_board, firmware_hex, tmp_path) -> pathlib.Path:
    """The console as the terminal's own path, and under another name (mpremote treats /dev/pts in its own way)."""
    terminal = pathlib.Path(start_board("--image", firmware_hex, "--pace", "max").serial)
    if request.param == "terminal":
        return terminal
    link = tmp_path / "ttyBOARD"
    link.symlink_to(terminal)
    return link


def test_mpremote_runs_programs_and_moves_files(console, tmp_path):
    assert mpremote(console, "exec", "import sys; print(sys.implementation.name, 6 * 7)").strip() == "micropython 42"
    here, back = tmp_path / "there.bin", tmp_path / "back.bin"
    here.write_bytes(bytes(range(256)) * 20)
    mpremote(console, "fs", "cp", str(here), ":there.bin")
    assert "5120 there.bin" in mpremote(console, "fs", "ls")
    mpremote(console, "soft-reset")
    mpremote(console, "fs", "cp", ":there.bin", str(back))
    assert back.read_bytes() == here.read_bytes()
    assert mpremote(console, "resume", "exec", "a = 5", "resume", "eval", "a + 1").strip() == "6"


def test_mpremote_mounts_a_folder_of_the_host(console, tmp_path):
    (tmp_path / "onhost.py").write_text("print('imported from the host')\n")
    assert "imported from the host" in mpremote(console, "mount", str(tmp_path), "exec", "import onhost")
