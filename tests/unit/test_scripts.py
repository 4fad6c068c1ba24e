# SPDX-License-Identifier: Apache-2.0
"""The set-up scripts: nothing is done twice, nothing half, and every refusal says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tercet.datasets.packages import FASHION_FOLDER

ROOT = Path(__file__).parents[2]
TOOLS = "sh sed head mkdir cat flock sha256sum cut readlink rm tar xz mv dirname id basename tr find sort xargs"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that holds the scripts and the pins only."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "firmware").mkdir()
    shutil.copy(ROOT / "firmware" / "versions.toml", tmp_path / "firmware")
    return tmp_path


def call(checkout: Path, script: str, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(checkout / "scripts" / script), *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=checkout, env={**os.environ, "MPY_DIR": "", **environment}
    )


def build(checkout: Path, command: str = "cat input/* >output; echo once >>count") -> subprocess.CompletedProcess[str]:
    return call(checkout, "cached.sh", "output", "input", "--", "sh", "-c", command)


def test_builds_once_and_again_when_an_input_changed(checkout: Path) -> None:
    (checkout / "input").mkdir()
    (checkout / "input" / "a").write_text("one")
    counts = []
    for change in (None, None, ("a", "two"), ("b", ""), None):
        if change:
            (checkout / "input" / change[0]).write_text(change[1])
        assert build(checkout).returncode == 0
        counts.append(len((checkout / "count").read_text().splitlines()))
    assert counts == [1, 1, 2, 3, 3]
    assert (checkout / "output").read_text() == "two"


def test_a_touched_file_is_no_change_and_a_missing_output_is_one(checkout: Path) -> None:
    (checkout / "input").mkdir()
    (checkout / "input" / "a").write_text("one")
    build(checkout)
    os.utime(checkout / "input" / "a", (1, 1))
    build(checkout)
    (checkout / "output").unlink()
    build(checkout)
    assert (checkout / "count").read_text() == "once\n" * 2


def test_a_failure_is_shown_and_tried_again(checkout: Path) -> None:
    (checkout / "input").mkdir()
    (checkout / "input" / "a").write_text("one")
    failed = build(checkout, "echo the reason; touch output; exit 3")
    assert failed.returncode == 1
    assert "the reason" in failed.stderr and "whole log" in failed.stderr
    assert build(checkout).returncode == 0
    assert (checkout / "output").read_text() == "one"


def test_a_port_is_replaced_whole_or_not_at_all(checkout: Path) -> None:
    old = checkout / "port"
    old.mkdir()
    (old / "a.hex").write_text("old")
    fail = 'd=${1#BUILD=}; mkdir -p "$d"; echo new >"$d/a.hex"'
    assert call(checkout, "build-port.sh", old, "a.hex", "a.elf", "--", "sh", "-c", fail, "sh").returncode != 0
    assert (old / "a.hex").read_text() == "old"
    done = call(checkout, "build-port.sh", old, "a.hex", "a.elf", "--", "sh", "-c", fail + '; touch "$d/a.elf"', "sh")
    assert done.returncode == 0, done.stderr
    assert (old / "a.hex").read_text() == "new\n"


def test_micropython_from_a_checkout(checkout: Path, tmp_path: Path) -> None:
    source = tmp_path / "elsewhere"
    (source / "py").mkdir(parents=True)
    (source / "py" / "mpconfig.h").touch()
    done = call(checkout, "fetch-micropython.sh", MPY_DIR=str(source))
    assert done.returncode == 0, done.stderr
    assert (checkout / "build" / "micropython").resolve() == source
    wrong = call(checkout, "fetch-micropython.sh", MPY_DIR=str(tmp_path / "nothing"))
    assert wrong.returncode == 1
    assert "not a MicroPython source tree" in wrong.stderr and "MPY_DIR=" in wrong.stderr


def test_micropython_that_is_there_is_not_fetched_again(checkout: Path) -> None:
    pins = (checkout / "firmware" / "versions.toml").read_text()
    digest = next(line.split('"')[1] for line in pins.splitlines() if line.startswith("source_sha256"))
    tree = checkout / "build" / "micropython"
    tree.mkdir(parents=True)
    (tree / ".tarball-sha256").write_text(digest + "\n")
    done = call(checkout, "fetch-micropython.sh", PATH=_without_apt(checkout))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(tree), "")


def test_without_an_optional_package_the_rest_is_set_up_and_it_is_tried_once(checkout: Path) -> None:
    tools = Path(_without_apt(checkout))
    for name in ("gcc", "make", "arm-none-eabi-gcc", "gdb-multiarch", "qemu-system-arm", "python3"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    first, again = (call(checkout, "setup-apt.sh", PATH=str(tools), ARM_GCC="") for _ in range(2))
    assert (first.returncode, again.returncode, again.stderr) == (0, 0, "")
    assert "apt-get install dataset-fashion-mnist" in first.stderr or FASHION_FOLDER.is_dir()


def test_no_mirror_is_said(checkout: Path) -> None:
    done = call(checkout, "fetch-micropython.sh", PATH=_without_apt(checkout))
    assert done.returncode == 1
    assert "MPY_DIR=/path/to/micropython" in done.stderr


def test_a_damaged_download_is_refused(checkout: Path) -> None:
    """An apt that delivers something else than what is pinned."""
    tools = Path(_without_apt(checkout))
    apt = tools / "apt-get"
    apt.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *--print-uris*) . /etc/os-release; echo \"'http://mirror.invalid/debian/dists/$VERSION_CODENAME/InRelease' x 0\" ;;\n"
        "  *source*) echo damaged >micropython_1.25.0+ds.orig.tar.xz ;;\n"
        "esac\n"
    )
    apt.chmod(0o755)
    done = call(checkout, "fetch-micropython.sh", PATH=str(tools))
    assert done.returncode == 1
    assert "is not the pinned" in done.stderr
    assert not (checkout / "build" / "micropython").exists()


def _without_apt(checkout: Path) -> str:
    """A PATH with the ordinary tools and no apt."""
    tools = checkout / "tools"
    tools.mkdir()
    for name in TOOLS.split():
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    return str(tools)
