# SPDX-License-Identifier: Apache-2.0
"""The hardware tests over all places of a farm: each takes the next tests, a place that breaks leaves the rest to the others.

Each part runs on the host where the bench stands, beside the meter; only its JUnit file crosses the network. A meter's stream
through a farm's serial export would lose half of its samples.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tercet.errors import BoardError, SetupError, TercetError
from tercet.farm import suite as suites
from tercet.farm.client import Farm, Place
from tercet.farm.host import Hosts, together

_LARGEST_PART = 16
_TEST_S = 300.0
_PATIENCE_S = 10.0


def collect(suite: Path, pattern: str | None) -> list[str]:
    """The ids of the suite's tests."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", f"--rootdir={suite.parent}"]
    words += ["-o", "addopts=--import-mode=importlib", *(("-k", pattern) if pattern else ())]
    files = sorted(str(path) for path in suite.glob("test_*.py"))
    done = subprocess.run([*words, *files], cwd=suite.parent, capture_output=True, text=True, check=False)
    found = [line.strip() for line in done.stdout.splitlines() if "::" in line and not line.startswith(("ERROR", "FAILED"))]
    if not found:
        raise SetupError(f"{suite}: no tests: {done.stdout.strip().splitlines()[-1:]}")
    return found


@dataclass
class Distribution:
    """Tests on their way through a farm. `results` are entries as `suite.parse` gives them, each with its `place`."""

    farm: Farm
    suite: Path
    waiting: deque[str]
    say: Callable[[str], None] = lambda _: None
    results: list[dict[str, Any]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    hosts: Hosts = field(default_factory=Hosts)
    _busy: int = 0
    _workers: int = 1
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, workers: int) -> dict[str, Any]:
        """Runs all tests on as many places at once; returns the counts, tests and broken places.

        Raises BoardError when every place broke before the tests were done. An interrupt ends what runs and frees the places.
        """
        self._workers = workers
        together([threading.Thread(target=self._work) for _ in range(workers)], self._end)
        if self.waiting:
            reasons = "; ".join(f"{place}: {why}" for place, why in self.broken.items())
            raise BoardError(f"{len(self.waiting)} tests found no working place: {reasons}")
        return {**suites.count(self.results), "tests": self.results, "broken_places": self.broken}

    def _end(self) -> None:
        with self._changed:
            self.waiting.clear()
        self.hosts.end()

    def _work(self) -> None:
        """Reserves a place, works until no test is left or the place breaks, gives it back."""
        where = "reservation"
        try:
            with self.farm.reserved(self._open, _PATIENCE_S) as place:
                if place:
                    where = place.name
                    self._serve(place)
        except TercetError as error:
            with self._changed:
                self.broken[where] = error.message

    def _serve(self, place: Place) -> None:
        while part := self._take():
            alive = False
            try:
                alive = self._part(place, part)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
            if not alive:
                return

    def _open(self) -> bool:
        """Whether there may be something to do yet: a place that breaks gives its tests back."""
        with self._changed:
            return bool(self.waiting or self._busy)

    def _take(self) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: self.waiting or not self._busy)
            # guided self-scheduling (Polychronopoulos and Kuck, 1987): large parts first, so that all places end together
            size = min(_LARGEST_PART, -(-len(self.waiting) // (2 * self._workers)))
            part = [self.waiting.popleft() for _ in range(size)]
            self._busy += bool(part)
            return part

    def _part(self, place: Place, part: list[str]) -> bool:
        """Runs some tests up to the first that does not pass; what comes after it waits again. False when the place broke."""
        try:
            tests = run_part(self.hosts, place, self.suite, part)
        except TercetError:
            with self._changed:
                self.waiting.extendleft(reversed(part))
            raise
        broken = ""
        if any(test["outcome"] == "invalid" for test in tests):
            state = self.hosts.run(place, ["farm", "check"], self.suite.parent, _TEST_S)
            broken = f"{state['broken']}: {state['reason']}" if state["broken"] else ""
        with self._changed:
            self.waiting.extendleft(reversed(part[len(tests) :]))
            self.results += [{**test, "place": place.name} for test in tests]
            if broken:
                self.broken[place.name] = broken
        self.say(f"{place.name}: {len(tests)} tests, {len(self.waiting)} wait" + (f"; {broken}" if broken else ""))
        return not broken


def run_part(hosts: Hosts, place: Place, suite: Path, part: list[str]) -> list[dict[str, Any]]:
    """The results of some tests at their bench, up to the first that does not pass. Raises BoardError when none came back."""
    words = ["hil", "--suite", str(suite), "--exitfirst", *part]
    tests = hosts.run(place, words, suite.parent, _TEST_S * len(part))["tests"]
    if not tests:
        raise BoardError(f"none of {len(part)} tests ran on {place.host}")
    return tests
