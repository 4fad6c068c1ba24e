# SPDX-License-Identifier: Apache-2.0
"""The import table and the licence wall of CONTRIBUTING.md, held by reading every import."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KIT = ROOT / "host" / "tercet"
BOARD = ROOT / "hil" / "virtual_board"
SERVICES = (
    "__init__", "errors", "artifacts", "units", "resources", "kernel_table", "targets", "costs", "plan_format", "datasets",
    "capture",
)
ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "autodiff": {"model"},
    "solve": {"autodiff"},
    "plan": {"solve", "autodiff"},
    "board": set(),
    "meter": set(),
    "measure": set(),
    "compress": {"model", "autodiff", "solve"},
    "profile": {"board", "meter", "measure", "plan", "autodiff", "model"},
    "train": {"plan", "board", "meter", "measure", "autodiff"},
    "report": {"autodiff", "solve", "plan", "measure", "model", "train", "profile", "compress"},
}
FREE = ("cli", "farm", "pytest_plugin")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def stage(path: Path) -> str:
    parts = path.relative_to(KIT).with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", sorted(KIT.rglob("*.py")), ids=lambda p: str(p.relative_to(KIT)))
def test_a_stage_imports_only_what_lies_upstream(path: Path) -> None:
    here = stage(path)
    if here in FREE:
        return
    others = {name.split(".")[1] for name in imports(path) if name.startswith("tercet.")}
    stages = others - set(SERVICES) - {"__version__", here}
    allowed = set() if here in SERVICES else ALLOWED[here]
    assert stages <= allowed, f"{here} imports {sorted(stages - allowed)}"


def test_the_kit_never_imports_the_virtual_board_nor_its_engine() -> None:
    for path in KIT.rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"tercet_virtual_board", "unicorn", "ppk2_api"}, path


def test_the_virtual_board_never_imports_the_kit() -> None:
    for path in (BOARD / "tercet_virtual_board").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"tercet", "tercet_device", "pyocd"}, path


def sources() -> list[Path]:
    """Every source file of the repository that was written by hand."""
    folders = ("host", "device_lib", "firmware", "hil", "tests", "scripts")
    found = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in {".py", ".c", ".h", ".sh", ".ld", ".s", ".S"}]
    return [p for p in found if "build" not in p.relative_to(ROOT).parts]


def test_every_source_file_names_its_licence() -> None:
    for path in sources():
        head = path.read_text(encoding="utf-8")[:400]
        expected = "GPL-2.0-or-later" if BOARD in path.parents else "Apache-2.0"
        assert f"SPDX-License-Identifier: {expected}" in head, path


def test_no_file_names_a_registry_or_a_machine() -> None:
    # put together here, so that this file does not trip over itself
    hosts = ["pypi" + ".org", "deb" + ".debian" + ".org", "files.python" + "hosted", "registry." + "npmjs"]
    pattern = re.compile("|".join(map(re.escape, [*hosts, "/work" + "/main", "/work" + "/shared"])))
    for path in [*sources(), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        match = pattern.search(path.read_text(encoding="utf-8"))
        assert not match, f"{path}: {match and match[0]}"
