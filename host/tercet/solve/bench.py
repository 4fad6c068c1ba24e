# SPDX-License-Identifier: Apache-2.0
"""The scheduler's table: proofs, gaps and times on the published instances, POET's own formulation beside them.

`python -m tercet.solve.bench FOLDER [NAMES]` writes FOLDER/solver-table.md and prints the rows as JSON.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.errors import InputError
from tercet.solve import instance, poet_original
from tercet.solve.baselines.keep_all import peak_bytes
from tercet.solve.exact import exact
from tercet.solve.problem import POET, Problem

INSTANCES = Path(__file__).parents[3] / "schedules" / "instances"
# (instance, share of the store-all peak, seconds for ours, seconds for POET's formulation; 0 leaves that out)
CASES: tuple[tuple[str, float, float, float], ...] = (
    ("linear", 0.5, 30, 120), ("linear", 0.44, 30, 120), ("transformer", 0.9, 30, 60), ("transformer", 0.85, 30, 60),
    ("vgg16_cifar", 0.9, 60, 0), ("vgg16_cifar", 0.7, 60, 0), ("vgg16_cifar", 0.5, 60, 120), ("vgg16_cifar", 0.43, 60, 0),
    ("resnet18_cifar", 0.7, 120, 0), ("resnet18_cifar", 0.5, 120, 0), ("resnet18_cifar", 0.3, 120, 0),
    ("resnet18_cifar", 0.15, 120, 0), ("bert", 0.5, 120, 0), ("bert", 0.3, 120, 0), ("bert", 0.15, 120, 0),
    ("resnet50", 0.5, 120, 0), ("resnet50", 0.3, 120, 0),
)  # fmt: skip


def load(name: str, share: float, board: str = "m4") -> Problem:
    """A published instance with a budget as a share of its store-all peak; raises InputError without the repository."""
    path = INSTANCES / f"{name}__{board}.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="run this in a checkout, whose schedules/instances holds them")
    problem = instance.load(path, POET)
    return problem.with_budgets(int(peak_bytes(problem) * share))


def case(name: str, share: float, limit_s: float, original_s: float) -> dict[str, Any]:
    """One line of the table."""
    problem = load(name, share)
    cpu, wall = time.process_time(), time.perf_counter()
    found = exact(problem, time_limit_s=limit_s)
    line: dict[str, Any] = {
        "case": f"{name}@{share:g}", "status": found.status, "objective_j": found.objective_j, "bound_j": found.bound_j,
        "overhead_gap": found.overhead_gap, "first_s": found.first_s, "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu, "peak_bytes": found.peak_bytes, "recomputed": len(found.recomputed),
        "paged_out": len(found.paged_out), "restrictions": list(found.restrictions),
    }  # fmt: skip
    if original_s:
        status, energy, columns, seconds = poet_original.solve(problem, original_s)
        line |= {"original": status, "original_j": energy, "original_columns": columns, "original_s": seconds}
    return line


def run(*, say: Callable[[str], None], only: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Rows `{"name", "value", "unit", "provenance"}` of every case (or of those whose instance is in `only`)."""
    return rows(lines(say=say, only=only))


def lines(*, say: Callable[[str], None], only: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The table, line by line."""
    wanted, table = set(only), []
    for name, share, limit_s, original_s in CASES:
        if wanted and name not in wanted:
            continue
        line = case(name, share, limit_s, original_s)
        say(f"{line['case']:<20} {line['status']:<9} {line['objective_j']:.9g} J  gap {line['overhead_gap']:.2%}"
            f"  {line['wall_s']:.1f} s ({line['cpu_s']:.1f} s CPU)")  # fmt: skip
        table.append(line)
    return table


def rows(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table as flat rows; energies derive from published constants, times were measured here."""
    units = {"objective_j": "J", "bound_j": "J", "overhead_gap": "1", "first_s": "s", "wall_s": "s", "cpu_s": "s",
             "peak_bytes": "B", "original_j": "J", "original_s": "s"}  # fmt: skip
    flat = []
    for line in table:
        for key, unit in units.items():
            if line.get(key) is not None:
                source = "measured" if unit == "s" else "published"
                flat.append({"name": f"{line['case']}-{key}", "value": line[key], "unit": unit, "provenance": source})
        proved = line["status"] == "optimal"
        flat.append({"name": f"{line['case']}-proved", "value": proved, "unit": "", "provenance": "measured"})
    return flat


def markdown(table: list[dict[str, Any]], busy: float) -> str:
    """The table for docs/."""
    head = ("instance @ share of store-all peak", "status", "energy, J", "bound, J", "overhead gap", "first, s", "wall, s",
            "CPU, s", "again / paged", "POET's own formulation")  # fmt: skip
    out = [
        "# The scheduler on POET's published instances", "",
        f"`make bench-solver`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, load average "
        f"{busy:.1f} at the end. Poet semantics, m4 constants (published), no deadline. `wall` is what a clock showed on a "
        "machine shared with other work, `CPU` what the process used.",
        "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
    ]  # fmt: skip
    for line in table:
        original = "" if "original" not in line else f"{line['original']} in {line['original_s']:.1f} s"
        if line.get("original_j") is not None:
            original += f": {line['original_j']:.9g} J"
        out.append(
            f"| {line['case']} | {line['status']} | {line['objective_j']:.9g} | {line['bound_j']:.9g} | "
            f"{line['overhead_gap']:.3%} | {line['first_s']:.3f} | {line['wall_s']:.1f} | {line['cpu_s']:.1f} | "
            f"{line['recomputed']} / {line['paged_out']} | {original} |"
        )
    return "\n".join(out) + "\n"


def main() -> None:
    """Writes the table into a folder."""
    folder, only = Path(sys.argv[1]), sys.argv[2:]
    table = lines(say=lambda text: print(text, file=sys.stderr, flush=True), only=only)
    artifacts.write_bytes(folder / "solver-table.md", markdown(table, os.getloadavg()[0]).encode())
    artifacts.write_bytes(folder / "solver-table.json", json.dumps(table, indent=1).encode())
    print(json.dumps(rows(table)))


if __name__ == "__main__":
    main()
