# SPDX-License-Identifier: Apache-2.0
"""The hardware tests as a function: run, count, and keep the record of a real bench."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.board import bench as benches
from tercet.board.link import usb_identity
from tercet.errors import InputError, SetupError

SCHEMA = "tercet-hil-record/1"


@dataclass(frozen=True)
class Selection:
    """Which tests on which bench: `tests` by their ids, all of the suite without. `arguments` go to pytest as they are."""

    suite: Path
    board: str | None = None
    bench: Path | None = None
    pattern: str | None = None
    junit: Path | None = None
    tests: tuple[str, ...] = ()
    exit_first: bool = False
    arguments: tuple[str, ...] = ()


def run(selection: Selection, *, quiet: bool = True) -> dict[str, Any]:
    """Runs the suite in a process of its own.

    Returns `{"passed","failed","invalid","skipped","seconds","samples","lost_samples",
    "tests":[{"name","outcome","seconds","reason",...}]}`;
    INVALID energy tests and other errors count as invalid. Raises SetupError when pytest cannot run at all.
    """
    if not selection.suite.is_dir():
        raise InputError(f"{selection.suite}: no such folder of tests", hint="run it in a checkout, or give --suite")
    with tempfile.TemporaryDirectory(prefix="tercet-hil-") as folder:
        junit = selection.junit or Path(folder) / "junit.xml"
        junit.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            command(selection, junit), stdout=subprocess.DEVNULL if quiet else sys.stderr, stderr=subprocess.PIPE, check=False
        )
        if done.returncode not in (0, 1) or not junit.is_file():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise SetupError(f"the hardware tests did not run (pytest exit {done.returncode}): {' / '.join(last)}")
        return parse(junit.read_text(encoding="utf-8"))


def command(selection: Selection, junit: Path) -> list[str]:
    """The command line of pytest."""
    words = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={junit}", "-o", "junit_family=xunit1"]
    words.append(f"--rootdir={selection.suite.absolute().parent}")
    if not _registered():
        words += ["-p", "tercet.pytest_plugin"]
    if selection.board:
        words += ["--board", selection.board]
    if selection.bench:
        words += ["--bench", str(selection.bench)]
    if selection.pattern:
        words += ["-k", selection.pattern]
    if selection.exit_first:
        words.append("--exitfirst")
    return [*words, *selection.arguments, *(selection.tests or sorted(str(path) for path in selection.suite.glob("test_*.py")))]


def _registered() -> bool:
    """Whether pytest finds the plugin by itself, as it does where tercet is installed."""
    from importlib.metadata import entry_points

    return any(point.value == "tercet.pytest_plugin" for point in entry_points(group="pytest11"))


def parse(junit: str) -> dict[str, Any]:
    """The counts and tests in a JUnit file."""
    tests = []
    for case in ET.fromstring(junit).iter("testcase"):
        outcome, reason = "passed", ""
        for kind, name in (("failure", "failed"), ("error", "invalid"), ("skipped", "skipped")):
            found = case.find(kind)
            if found is not None:
                outcome, reason = name, (found.get("message") or found.text or "").strip().splitlines()[0][:300]
        entry: dict[str, Any] = {
            "name": f"{case.get('file') or case.get('classname')}::{case.get('name')}", "outcome": outcome,
            "seconds": float(case.get("time") or 0), "reason": reason,
        }  # fmt: skip
        entry |= {str(p.get("name")): p.get("value") for p in case.iter("property") if p.get("name")}
        tests.append(entry)
    return {**count(tests), "tests": tests}


def count(tests: list[dict[str, Any]]) -> dict[str, Any]:
    """Outcomes, seconds, and what the meters' captures held and lost."""
    counts: dict[str, Any] = {
        name: sum(t["outcome"] == name for t in tests) for name in ("passed", "failed", "invalid", "skipped")
    }
    counts["seconds"] = round(sum(t["seconds"] for t in tests), 3)
    return counts | {name: sum(int(t.get(f"meter_{name}", 0)) for t in tests) for name in ("samples", "lost_samples")}


def recorded(selection: Selection, *, quiet: bool = True) -> dict[str, Any]:
    """What `run` gives, with the `record` that keeps it under the suite's `records`. Raises InputError for a virtual board."""
    bench = identity(selection)
    result = run(selection, quiet=quiet)
    return {**result, "record": str(record(result, bench, selection.suite / "records"))}


def identity(selection: Selection) -> dict[str, Any]:
    """What a record says about the bench; raises InputError for a virtual board: only hardware makes history."""
    if selection.board is None and selection.bench is None:
        raise InputError("--record keeps results of real benches", hint="give --bench FILE or --board NAME")
    with benches.select(selection.board, selection.bench) as bench:
        if bench.kind != "attached":
            raise InputError(f"--record keeps results of real benches; {bench.name} is modelled", hint="give --bench FILE")
        usb = usb_identity(bench.serial)
        if not usb:
            hint = "run it on the machine that the board is attached to"
            raise InputError(f"--record: no USB device stands behind {bench.serial}", hint=hint)
        kept = {key: value for key, value in asdict(bench).items() if key in ("name", "kind", "target", "meter", "serial")}
        return {**kept, "usb": usb}


def record(result: dict[str, Any], bench: dict[str, Any], folder: Path, when: datetime | None = None) -> Path:
    """Stores the result of a real bench under `folder` and returns the file."""
    stamp = (when or datetime.now(UTC)).strftime("%Y-%m-%dT%H%M%SZ")
    path = folder / f"{stamp}-{bench['name']}.json"
    return artifacts.write_json(path, SCHEMA, {"when": stamp, "bench": bench, **result})


def summary(result: dict[str, Any]) -> str:
    """The counts and, for all that did not pass, the reasons."""
    bad = [t for t in result["tests"] if t["outcome"] in ("failed", "invalid")]
    lines = [f"{t['outcome'].upper():<8} {t['name']}  {t['reason']}" for t in bad]
    lines += [f"BROKEN   {place}  {why}" for place, why in result.get("broken_places", {}).items()]
    counts = ", ".join(f"{result[name]} {name}" for name in ("passed", "failed", "invalid", "skipped") if result[name])
    metered = f"; {result['samples']} samples metered, {result['lost_samples']} lost" if result["samples"] else ""
    return "\n".join([*lines, f"{counts or 'no tests'} in {result['seconds']:.0f} s{metered}"])


def last_record(folder: Path) -> str:
    """When the suite last ran on hardware: `never` until there is a record."""
    records = sorted(folder.glob("*.json"))
    return json.loads(records[-1].read_text(encoding="utf-8"))["when"] if records else "never"
