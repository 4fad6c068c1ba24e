# SPDX-License-Identifier: Apache-2.0
"""The hardware tests over all places of a farm: each takes the next tests, a place that breaks leaves the rest to the others.

Each part runs on the host where the bench stands, beside the meter; only its JUnit file crosses the network. A meter's stream
through a farm's serial export would lose half of its samples.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tercet.board import bench as benches
from tercet.errors import BoardError, SetupError, TercetError
from tercet.farm import suite as suites
from tercet.farm.client import Farm, Place
from tercet.farm.loopback import TAGS
from tercet.farm.strategy import Readiness

_PART = 4
_LOCAL = ("localhost", "127.0.0.1", "::1")


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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, workers: int) -> dict[str, Any]:
        """Runs all tests on as many places at once; returns the counts, tests and broken places.

        Raises BoardError when every place broke before the tests were done.
        """
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.waiting:
            reasons = "; ".join(f"{place}: {why}" for place, why in self.broken.items())
            raise BoardError(f"{len(self.waiting)} tests found no working place: {reasons}")
        counts = {name: sum(t["outcome"] == name for t in self.results) for name in ("passed", "failed", "invalid", "skipped")}
        seconds = round(sum(t["seconds"] for t in self.results), 3)
        return {**counts, "seconds": seconds, "tests": self.results, "broken_places": self.broken}

    def _work(self) -> None:
        """Reserves a place, works until no test waits or the place breaks, gives it back."""
        token = self.farm.reserve(**TAGS)
        self.farm.wait(token)
        place = self.farm.acquire(token)
        try:
            while part := self._take():
                if not self._part(place, part):
                    return
        except TercetError as error:
            with self._lock:
                self.broken[place.name] = error.message
        finally:
            self.farm.release(place.name, token)

    def _take(self) -> list[str]:
        with self._lock:
            return [self.waiting.popleft() for _ in range(min(_PART, len(self.waiting)))]

    def _part(self, place: Place, part: list[str]) -> bool:
        """Runs some tests; False when the place is broken afterwards.

        Tests behind the one that broke it go to other places.
        """
        with tempfile.TemporaryDirectory(prefix="tercet-farm-") as folder:
            file = Path(folder) / f"{place.name}.toml"
            file.write_text(place.bench_file())
            tests = run_part(place, self.suite, file, part)
            whole = all(test["outcome"] != "invalid" for test in tests)
            ready = Readiness(benches.load(file))
            alive = whole or (place.host not in _LOCAL) or ready.reach()
        if not alive:
            first = next(i for i, test in enumerate(tests) if test["outcome"] == "invalid")
            with self._lock:
                self.waiting.extend(part[first + 1 :])
                self.broken[place.name] = f"{ready.broken}: {ready.reason}"
            tests = tests[: first + 1]
        with self._lock:
            self.results += [{**test, "place": place.name} for test in tests]
        self.say(f"{place.name}: {len(tests)} tests, {len(self.waiting)} wait")
        return alive


def run_part(place: Place, suite: Path, bench: Path, part: list[str]) -> list[dict[str, Any]]:
    """The results of some tests on the host of their bench: here, or by ssh in the same checkout there."""
    if place.host in _LOCAL:
        junit = bench.with_suffix(".xml")
        arguments = ("-p", "no:cacheprovider", f"--rootdir={suite.parent}")
        words = suites.command(suites.Selection(suite, bench=bench, arguments=arguments), junit)
        words = [word for word in words if not word.endswith(".py")]
        subprocess.run([*words, *part], cwd=suite.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        text = junit.read_text(encoding="utf-8") if junit.is_file() else ""
    else:
        remote = f"cat > /tmp/{bench.name} && cd {shlex.quote(str(suite.parent))} && .venv/bin/python -m pytest -q "
        remote += f"--junit-xml=/dev/stdout -o junit_family=xunit1 --bench /tmp/{bench.name} " + " ".join(map(shlex.quote, part))
        done = subprocess.run(["ssh", place.host, remote], input=bench.read_bytes(), capture_output=True, check=False)
        text = done.stdout.decode(errors="replace")
        text = text[text.find("<?xml") :].partition("</testsuites>")[0] + "</testsuites>" if "<?xml" in text else ""
    if not text:
        raise BoardError(f"{place.name}: the tests on {place.host} did not run")
    return suites.parse(text)["tests"]
