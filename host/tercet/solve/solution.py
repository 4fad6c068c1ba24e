# SPDX-License-Identifier: Apache-2.0
"""What a strategy gives back: a schedule, what is proved about it, and the judge's figures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tercet.solve.outcome import Replay
from tercet.solve.problem import Problem
from tercet.solve.replay import check
from tercet.solve.schedule import Schedule

HOMES = "not every choice of the weights that live on the card was solved"


@dataclass(frozen=True)
class Solution:
    """A judged schedule. Energies in joules; `restrictions` name what the strategy did not consider (its bound holds
    under them)."""

    schedule: Schedule
    status: str
    objective_j: float
    bound_j: float | None
    gap: float | None
    overhead_gap: float | None
    peak_bytes: int
    time_ms: float
    solve_s: float
    recomputed: tuple[str, ...]
    paged_out: tuple[str, ...]
    paged_in: tuple[str, ...]
    restrictions: tuple[str, ...] = ()
    first_s: float | None = None
    replay: Replay | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `tercet solve`."""
        names = (
            "status", "objective_j", "bound_j", "gap", "overhead_gap", "peak_bytes", "time_ms", "solve_s", "recomputed",
            "paged_out", "paged_in", "restrictions",
        )  # fmt: skip
        return {name: list(v) if isinstance(v := getattr(self, name), tuple) else v for name in names}


def judged(
    problem: Problem, schedule: Schedule, *, bound_pj: int | None, solve_s: float, optimal: bool = False,
    restrictions: tuple[str, ...] = (), first_s: float | None = None,
) -> Solution:  # fmt: skip
    """The solution of a schedule, its figures by the replay; raises `IllegalError` if the strategy was wrong.

    `optimal` says that the strategy proved it; the bound is then the objective, less the margin of the proof if it has one.
    """
    outcome = check(problem, schedule)
    if any(item.on_card for item in problem.items.values()):
        restrictions = (*restrictions, HOMES)
    objective = outcome.energy_pj
    bound = min(bound_pj, objective) if bound_pj is not None else objective if optimal else None
    gap = overhead = None
    if bound is not None:
        gap = (objective - bound) / objective if objective else 0.0
        # below the keep-all energy there is no overhead to compare with; that happens only where a rerun is cheaper than a run
        overhead = 0.0 if objective == bound else (objective - bound) / max(objective - problem.keep_all_pj, 1)
    solution = Solution(
        schedule, "optimal" if optimal else "feasible", objective / 1e12, None if bound is None else bound / 1e12, gap,
        overhead, outcome.peak_bytes, outcome.time_ms, round(solve_s, 6), schedule.recomputed, schedule.paged_out,
        schedule.paged_in, restrictions, first_s, outcome,
    )  # fmt: skip
    meta = {
        **solution.to_dict(), "problem": problem.name, "semantics": problem.semantics, "ram_budget_bytes": problem.ram_bytes,
        "deadline_ms": None if problem.deadline_ns is None else problem.deadline_ns / 1e6,
    }  # fmt: skip
    for name in ("recomputed", "paged_out", "paged_in"):
        del meta[name]
    return replace(solution, schedule=replace(schedule, meta=meta))
