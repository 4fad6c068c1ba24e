# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs MicroPython's own tests with MicroPython's own runner, spread over several machines."""

import os
import pathlib
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from machines import Machine
from reasons import skip_reason

DIRECTORIES = ("basics", "extmod", "misc", "float", "micropython", "inlineasm/thumb", "stress")
_BATCH = 25
_RETRIES = 3  # of a test whose expectation is a race of the host
_NO_PINS = "Please add support for this test on this platform."
_VERDICTS = {"pass": "passed", "FAIL": "failed", "skip": "skipped"}


@dataclass
class Results:
    """Verdict of each test: passed, failed (with the runner's output) or skipped (with the reason)."""

    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def known(self) -> set[str]:
        """Every test that has a verdict."""
        return {*self.passed, *self.failed, *self.skipped}


def all_tests(tests: pathlib.Path) -> list[str]:
    """Every test of the groups, relative to the directory `tests` of MicroPython's source."""
    return sorted(str(path.relative_to(tests)) for group in DIRECTORIES for path in (tests / group).glob("*.py"))


def run(tests: pathlib.Path, names: list[str], machines: list[Machine], work: pathlib.Path) -> Results:
    """The results of the named tests, run on all machines at once; failures leave files in `work`.

    A test that imports unittest is skipped: the module is not part of MicroPython's source package.
    """
    wanted = [name for name in names if not _needs_unittest(tests / name)]
    suite = _Suite(tests, wanted)
    threads = [threading.Thread(target=suite.work_off, args=(machine, work / str(index)))
               for index, machine in enumerate(machines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = suite.results
    results.skipped |= dict.fromkeys(set(names) - set(wanted), "no module named 'unittest'")
    missing = set(names) - results.known()
    results.failed |= dict.fromkeys(missing, "never ran: a machine did not start")
    return results


def _needs_unittest(test: pathlib.Path) -> bool:
    return any(line.split()[:2] == ["import", "unittest"] for line in test.read_text().splitlines())


def _raced(test: pathlib.Path) -> bool:
    """Whether the expectation comes from a run of the host's own Python against the wall clock.

    A host that was busy at that moment expects the wrong thing (`asyncio_fair` then ends a line early), so such a test
    is run again, with a new expectation.
    """
    has_expectation = test.with_name(test.name + ".exp").is_file()
    return not has_expectation and any(word in test.read_text() for word in ("asyncio.sleep", "time.sleep"))


class _Suite:
    """Tests that wait, in batches, and the verdicts so far; shared by the threads of all machines."""

    def __init__(self, tests: pathlib.Path, names: list[str]) -> None:
        self.results = Results()
        self._tests = tests
        self._lock = threading.Lock()
        self._batches: queue.Queue[list[str]] = queue.Queue()
        for start in range(0, len(names), _BATCH):
            self._batches.put(names[start : start + _BATCH])

    def work_off(self, machine: Machine, work: pathlib.Path) -> None:
        """Take batches until there are none left."""
        machine.start()
        try:
            while True:
                self._run_batch(self._batches.get_nowait(), machine, work)
        except queue.Empty:
            pass
        finally:
            machine.stop()

    def _run_batch(self, names: list[str], machine: Machine, work: pathlib.Path) -> None:
        """Run a batch to its end: a test that breaks the runner fails, and the rest goes on with a new machine."""
        while names:
            verdicts: dict[str, str] = {}
            tail = _upstream_runner(self._tests, names, machine.serial, work, verdicts.__setitem__)
            for _ in range(_RETRIES):
                again = [name for name, verdict in verdicts.items() if verdict == "failed" and _raced(self._tests / name)]
                if not again:
                    break
                _upstream_runner(self._tests, again, machine.serial, work, verdicts.__setitem__)
            self._note(verdicts, machine.serial, work)
            names = [name for name in names if name not in verdicts]
            if names:
                with self._lock:
                    self.results.failed[names[0]] = f"the runner broke off: {tail}"
                names = names[1:]
                machine.stop()
                machine.start()

    def _note(self, verdicts: dict[str, str], port: str, work: pathlib.Path) -> None:
        skipped = [name for name, verdict in verdicts.items() if verdict == "skipped"]
        reasons = {name: skip_reason(self._tests / name, port) for name in skipped}
        failed = {name: _difference(work, name) for name, verdict in verdicts.items() if verdict == "failed"}
        unknown = [name for name, why in failed.items() if _NO_PINS in why]
        reasons |= {name: "the test itself knows no pins of this platform" for name in unknown}
        failed = {name: why for name, why in failed.items() if name not in unknown}
        with self._lock:
            self.results.passed += [name for name, verdict in verdicts.items() if verdict == "passed"]
            self.results.skipped |= reasons
            self.results.failed |= failed


def _upstream_runner(tests: pathlib.Path, names: list[str], port: str, work: pathlib.Path,
                     on_verdict: Callable[[str, str], None]) -> str:
    """Runs `run-tests.py` over the named tests and reports verdicts as they come; returns the output's last lines."""
    work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "run-tests.py", "-t", f"port:{port}", "-r", str(work.resolve()), *names]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "MICROPY_CPYTHON3": sys.executable}
    process = subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", env=environment)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        verdict, _, rest = line.partition(" ")
        if verdict in _VERDICTS and rest.strip():
            on_verdict(rest.split()[0], _VERDICTS[verdict])
        lines = [*lines[-2:], line.strip()]
    process.wait()
    return " | ".join(lines)


def _difference(work: pathlib.Path, name: str) -> str:
    """The first line where output and expectation part, from the files that the runner leaves behind."""
    stem = work / name.replace("/", "_")
    expected, seen = (pathlib.Path(f"{stem}{end}") for end in (".exp", ".out"))
    if not expected.is_file() or not seen.is_file():
        return seen.read_text(errors="replace")[-200:] if seen.is_file() else "no output"
    left = expected.read_text(errors="replace").splitlines()
    right = seen.read_text(errors="replace").splitlines()
    for number, (want, got) in enumerate(zip([*left, "<end>"], [*right, "<end>"], strict=False), start=1):
        if want != got:
            end = f" ... {right[-1]!r}" if "Traceback" in got else ""
            return f"line {number}: expected {want!r}, got {got!r}{end}"
    return "differs in line ends"
