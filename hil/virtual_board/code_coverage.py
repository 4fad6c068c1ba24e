# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of the emulator's own code the tests run through: its Python part and its C core, a line a file.

    make board-coverage
    python hil/virtual_board/code_coverage.py --work build/coverage [--json FILE] [TEST ...]

The core is compiled apart for it (gcc, gcov); the board processes that tests start are counted too. TEST: files or options for
pytest, by default all of `tests`. The exit code is pytest's.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = """[run]
parallel = true
patch = subprocess
data_file = {work}/python
source = {here}/tercet_virtual_board
"""


def run_tests(work: Path, arguments: list[str]) -> int:
    """Runs the tests, counting; returns pytest's exit code."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "core").mkdir(parents=True)
    (work / "config").write_text(CONFIG.format(work=work, here=HERE))
    # inlined functions would be counted with the lines of their callers
    flags = f"--coverage -fno-inline -dumpdir {work / 'core'}/"
    outside = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**outside, "TERCET_CORE_CFLAGS": flags, "XDG_CACHE_HOME": str(work / "cache"), "CC": "gcc"}
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={work / 'config'}", "-m", "pytest", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def python_lines(work: Path) -> dict[str, tuple[int, int]]:
    """File -> (lines run, lines) of the Python part."""
    coverage = [sys.executable, "-m", "coverage"]
    config = f"--rcfile={work / 'config'}"
    subprocess.run([*coverage, "combine", config, "--quiet"], check=True)
    subprocess.run([*coverage, "json", config, "--quiet", "-o", str(work / "python.json")], check=True)
    files = json.loads((work / "python.json").read_text())["files"]
    summaries = {str(Path(name).resolve().relative_to(HERE)): entry["summary"] for name, entry in files.items()}
    return {name: (summary["covered_lines"], summary["num_statements"]) for name, summary in summaries.items()}


def core_lines(work: Path) -> dict[str, tuple[int, int]]:
    """File -> (lines run, lines) of the C core."""
    notes = sorted((work / "core").glob("*.gcno"))
    command = ["gcov", "--json-format", "--stdout", *map(str, notes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work / "core")
    counts: dict[str, dict[int, int]] = collections.defaultdict(lambda: collections.defaultdict(int))
    for line in done.stdout.splitlines():
        for file in json.loads(line)["files"] if line.startswith("{") else []:
            for entry in file["lines"]:
                counts[Path(file["file"]).name][entry["line_number"]] += entry["count"]
    return {f"core/{name}": (sum(n > 0 for n in lines.values()), len(lines)) for name, lines in counts.items()
            if (HERE / "core" / name).exists()}  # fmt: skip


def main() -> int:
    """Prints the table and the two totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder that is emptied first")
    parser.add_argument("--json", type=Path, help="write the totals to this file")
    given, rest = parser.parse_known_args()
    work = given.work.resolve()
    code = run_tests(work, rest or [str(HERE / "tests")])
    rows = []
    for name, lines in (("python", python_lines(work)), ("core", core_lines(work))):
        for file, (run, all_lines) in sorted(lines.items()):
            print(f"{file:44} {run:6} of {all_lines:6} {run / max(all_lines, 1):7.1%}")
        run, all_lines = (sum(column) for column in zip(*lines.values(), strict=True))
        print(f"{name + ', all lines':44} {run:6} of {all_lines:6} {run / all_lines:7.1%}\n")
        rows.append({"name": f"{name}-coverage", "value": round(100 * run / all_lines, 1), "unit": "% of lines",
                     "provenance": "measured"})
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
