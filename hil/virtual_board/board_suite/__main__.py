# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs MicroPython's own test suite against virtual boards, or against QEMU, over the serial port.

    python hil/virtual_board/board_suite --image FIRMWARE.hex --tests build/micropython/tests

Prints one line a failure, one line a reason for skipping with its tests, and the totals; exits with 1 unless at least
`--at-least` tests passed and none failed.
"""

import argparse
import collections
import json
import os
import pathlib
import sys
import tempfile
import time

from machines import Machine, Qemu, VirtualBoard
from runner import Results, all_tests, run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=pathlib.Path, required=True, help="directory `tests` of MicroPython's source")
    parser.add_argument("--image", type=pathlib.Path, required=True, help="firmware image to run")
    parser.add_argument("--qemu", action="store_true", help="the image is for QEMU's mps2-an386")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="machines at a time")
    parser.add_argument("--list", type=pathlib.Path, help="file with the tests to run, one a line (default: all)")
    parser.add_argument("--at-least", type=int, default=0, help="passes that are required")
    parser.add_argument("--against", type=pathlib.Path, help="verdicts of another machine: name what only it passed")
    parser.add_argument("--json", type=pathlib.Path, help="write the verdicts to this file")
    parser.add_argument("names", nargs="*", help="single tests, such as basics/int1.py")
    return parser.parse_args()


def _names(options: argparse.Namespace) -> list[str]:
    if options.names:
        return options.names
    if options.list:
        lines = (line.strip() for line in options.list.read_text().splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    return all_tests(options.tests)


def _machines(options: argparse.Namespace, work: pathlib.Path) -> list[Machine]:
    if options.qemu:
        return [Qemu(options.image) for _ in range(options.jobs)]
    return [VirtualBoard(f"suite-{i}", options.image.resolve(), work / f"board-{i}") for i in range(options.jobs)]


def _print(results: Results, seconds: float) -> None:
    for name, why in sorted(results.failed.items()):
        print(f"FAIL {name}: {why}")
    by_reason: dict[str, list[str]] = collections.defaultdict(list)
    for name, why in sorted(results.skipped.items()):
        by_reason[why].append(name)
    for why, names in sorted(by_reason.items()):
        print(f"skip {len(names)} ({why}): {' '.join(names)}")
    print(f"{len(results.passed)} passed, {len(results.failed)} failed, {len(results.skipped)} skipped "
          f"in {seconds:.0f} s")


def _print_against(results: Results, other: pathlib.Path) -> None:
    """What passed on only one of two machines: a misreading that port and emulator share would show here."""
    passed_there = set(json.loads(other.read_text())["passed"])
    here = {**results.skipped, **results.failed}
    for name in sorted(passed_there & set(here)):
        print(f"passed there, not here: {name} ({here[name]})")
    print(f"passed on both: {len(passed_there & set(results.passed))}, only here: "
          f"{len(set(results.passed) - passed_there)}")


def main() -> int:
    """0 if enough tests passed and none failed."""
    options = _arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="board-suite-") as work:
        results = run(options.tests, _names(options), _machines(options, pathlib.Path(work)), pathlib.Path(work))
    _print(results, time.monotonic() - started)
    if options.against:
        _print_against(results, options.against)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        verdicts = {"passed": sorted(results.passed), "failed": results.failed, "skipped": results.skipped}
        options.json.write_text(json.dumps(verdicts, indent=1, sort_keys=True) + "\n")
    return 0 if not results.failed and len(results.passed) >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
