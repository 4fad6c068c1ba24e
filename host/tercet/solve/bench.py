# SPDX-License-Identifier: Apache-2.0
"""The scheduler's table: proofs, gaps and times on the published instances and on networks of our own.

Each line is kept in a folder as soon as it is measured, under the digest of the scheduler's sources: a run that was
interrupted goes on where it ended, one after a change measures anew.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.errors import InputError
from tercet.solve import api, instance, places, poet_original
from tercet.solve.baselines.keep_all import peak_bytes
from tercet.solve.exact import exact
from tercet.solve.problem import POET, Problem
from tercet.solve.solution import Solution

INSTANCES = Path(__file__).parents[3] / "schedules" / "instances"
OWN = INSTANCES.parent / "own"
KEPT = Path("build/bench/solver")
# Besides the case itself: its variants that are solved too.
VARIANTS = ("late", "waits", "every place")
EVERY_PLACE_S = 60.0


@dataclass(frozen=True)
class Case:
    """One line: an instance, its budget as a share of the store-all peak, the floor of quality that it is to meet.

    `late` also solves the restriction in which nothing runs again before the loss; `original_s` also solves POET's own
    formulation. Times are limits in seconds.
    """

    name: str
    share: float
    floor: str
    limit_s: float = 120
    late: bool = False
    original_s: float = 0

    @property
    def title(self) -> str:
        """`vgg16_cifar@0.5`."""
        return f"{self.name}@{self.share:g}"


CASES = (
    Case("linear", 0.5, "2 s", 30, original_s=60), Case("linear", 0.44, "2 s", 30, original_s=60),
    Case("transformer", 0.9, "2 s", 30, original_s=60), Case("transformer", 0.85, "2 s", 30, original_s=60),
    Case("vgg16_cifar", 0.9, "8 s", 60), Case("vgg16_cifar", 0.7, "8 s", 60),
    Case("vgg16_cifar", 0.5, "8 s", 60, original_s=60), Case("vgg16_cifar", 0.43, "8 s", 60),
    Case("resnet18_cifar", 0.7, "10 s", 60), Case("resnet18_cifar", 0.5, "10 s", 60, late=True),
    Case("resnet18_cifar", 0.3, "90 s", late=True), Case("resnet18_cifar", 0.15, "40 %"),
    Case("bert", 0.5, "16 %"), Case("bert", 0.3, "5 %", late=True), Case("bert", 0.15, "40 %"),
    Case("resnet50", 0.5, "2 %"), Case("resnet50", 0.3, "90 %"),
)  # fmt: skip


def load(name: str, share: float, board: str = "m4") -> Problem:
    """A published instance with a budget as a share of its store-all peak; raises InputError without the repository."""
    path = INSTANCES / f"{name}__{board}.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="run this in a checkout, whose schedules/instances holds them")
    problem = instance.load(path, POET)
    return problem.with_budgets(int(peak_bytes(problem) * share))


def own() -> list[Case]:
    """The networks of our own whose graphs and measured costs lie in the repository, at half their store-all peak."""
    return [Case(path.name.removesuffix(".graph.json"), 0.5, "20 s", 30) for path in sorted(OWN.glob("*.graph.json"))]


def posed(case: Case) -> Problem:
    """The problem of a case: `exact` semantics for networks of our own, `poet` for published instances."""
    graph = OWN / f"{case.name}.graph.json"
    if not graph.is_file():
        return load(case.name, case.share)
    problem = api.load(graph, OWN / f"{case.name}.costs.json")
    return problem.with_budgets(int(peak_bytes(problem) * case.share))


def measured(case: Case) -> dict[str, Any]:
    """One line of the table."""
    problem = posed(case)
    line: dict[str, Any] = {"case": case.title, "floor": case.floor, **_timed(problem, case.limit_s)}
    if case.late:
        line["late"] = _timed(problem, case.limit_s, forward_reruns=False)
    if problem.semantics != POET and line["status"] != "optimal":
        line["waits"] = _timed(problem, case.limit_s, waits=True)
    if places.few(problem):
        line["every place"] = _timed(problem, EVERY_PLACE_S, every_place=True)
    if case.original_s:
        status, energy, columns, seconds = poet_original.solve(problem, case.original_s)
        line |= {"original": status, "original_j": energy, "original_columns": columns, "original_s": seconds}
    return line


def _timed(problem: Problem, limit_s: float, **options: bool) -> dict[str, Any]:
    """What the exact strategy finds, and the time it takes: on the clock, and of the processor in all its processes."""
    spent, wall = os.times(), time.perf_counter()
    # through the door where weights may have to live on the card first
    solve: Callable[..., Solution] = exact if problem.semantics == POET else api.solve
    found = solve(problem, time_limit_s=limit_s, **options)
    wall, now = time.perf_counter() - wall, os.times()
    return {
        "status": found.status, "objective_j": found.objective_j, "bound_j": found.bound_j,
        "overhead_gap": found.overhead_gap, "first_s": found.first_s, "wall_s": wall, "cpu_s": sum(now[:4]) - sum(spent[:4]),
        "peak_bytes": found.peak_bytes, "recomputed": len(found.recomputed), "paged_out": len(found.paged_out),
        "restrictions": list(found.restrictions),
    }  # fmt: skip


def run(*, say: Callable[[str], None], only: Iterable[str] = (), folder: Path = KEPT) -> list[dict[str, Any]]:
    """Rows `{"name", "value", "unit", "provenance"}` of every case (or of those whose instance is in `only`)."""
    return rows(lines(say=say, only=only, folder=folder))


def lines(*, say: Callable[[str], None], only: Iterable[str] = (), folder: Path = KEPT) -> list[dict[str, Any]]:
    """The table, line by line, from the folder where a line is there, measured anew where it is not."""
    wanted, table = set(only), []
    for case in (*CASES, *own()):
        if wanted and case.name not in wanted:
            continue
        kept = folder / f"{case.title}-{_digest(case)}.json"
        if not kept.is_file():
            artifacts.write_bytes(kept, json.dumps(measured(case), indent=1).encode())
        line = json.loads(kept.read_bytes())
        say(f"{line['case']:<20} {line['status']:<9} {line['objective_j']:.9g} J  gap {line['overhead_gap']:.2%}"
            f"  {line['wall_s']:.1f} s ({line['cpu_s']:.1f} s CPU)")  # fmt: skip
        table.append(line)
    return table


def _digest(case: Case) -> str:
    """What a line depends on: the case and the scheduler's sources."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    told = [json.dumps(asdict(case)), *(artifacts.sha256_file(path) for path in sources)]
    return artifacts.sha256_bytes("".join(told).encode())[:12]


def rows(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table as flat rows; energies derive from published constants, times were measured here."""
    units = {"objective_j": "J", "bound_j": "J", "overhead_gap": "1", "first_s": "s", "wall_s": "s", "cpu_s": "s",
             "peak_bytes": "B", "original_j": "J", "original_s": "s"}  # fmt: skip
    flat = []
    variants = ({"case": f"{line['case']}-{name}", **line[name]} for line in table for name in VARIANTS if name in line)
    for line in [*table, *variants]:
        for key, unit in units.items():
            if line.get(key) is not None:
                source = "measured" if unit == "s" else "published"
                flat.append({"name": f"{line['case']}-{key}", "value": line[key], "unit": unit, "provenance": source})
        proved = line["status"] == "optimal"
        flat.append({"name": f"{line['case']}-proved", "value": proved, "unit": "", "provenance": "measured"})
    return flat


HEAD = ("instance @ share of store-all peak", "floor", "status", "energy, J", "bound, J", "overhead gap", "first, s",
        "wall, s", "CPU, s", "again / paged", "POET's own formulation")  # fmt: skip


def markdown(folder: Path = KEPT) -> str:
    """The table for docs/, of the lines that lie in the folder."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    out = [
        "# The scheduler on POET's published instances and on networks of our own", "",
        f"`make bench-solver DOCS=docs/solver-table.md`, {time.strftime('%Y-%m-%d')}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores, load average {busy:.1f} at the end. Published instances: poet "
        "semantics, m4 constants, no deadline; our own: exact semantics, costs measured on the virtual board. `wall` is what "
        "a clock showed, `CPU` what all processes of a solve used. `late`: the restriction in which nothing runs again "
        "before the loss; its bound holds for that. `waits`: what frees no memory runs again only where it is read. "
        "`every place`: no choice of the large weights on the card is left out.",
        "", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD),
    ]  # fmt: skip
    for line in lines(say=lambda _: None, folder=folder):
        out.append(_row(line, _original(line)))
        for name in VARIANTS:
            if name in line:
                out.append(_row({"case": f"{line['case']}, {name}", "floor": line["floor"], **line[name]}, ""))
    return "\n".join(out) + "\n"


def _row(line: dict[str, Any], original: str) -> str:
    return (
        f"| {line['case']} | {line['floor']} | {line['status']} | {line['objective_j']:.9g} | {line['bound_j']:.9g} | "
        f"{line['overhead_gap']:.3%} | {line['first_s']:.3f} | {line['wall_s']:.1f} | {line['cpu_s']:.1f} | "
        f"{line['recomputed']} / {line['paged_out']} | {original} |"
    )


def _original(line: dict[str, Any]) -> str:
    if "original" not in line:
        return ""
    energy = "" if line.get("original_j") is None else f": {line['original_j']:.9g} J"
    return f"{line['original']} in {line['original_s']:.1f} s{energy}"
