# SPDX-License-Identifier: Apache-2.0
"""One door to every strategy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tercet import artifacts, costs
from tercet.autodiff import graph as training_graph
from tercet.autodiff import shape_cost
from tercet.errors import InfeasibleError, InputError
from tercet.solve import homes, instance, places, ranking
from tercet.solve.limits import explain_infeasible, floor_bytes
from tercet.solve.problem import EXACT, POET, Problem, from_graph
from tercet.solve.solution import Solution

# name -> "module:function" under tercet.solve, called as function(problem, time_limit_s=, workers=, stop=)
STRATEGIES: dict[str, str] = {
    "exact": "exact:exact",
    "keep-all": "baselines.keep_all:keep_all",
    "page-all": "baselines.page_all:page_all",
    "sqrt-n": "baselines.sqrt_n:sqrt_n",
    "micro-batch": "baselines.micro_batch:micro_batch",
    "remat-only": "baselines.remat_only:remat_only",
    "page-only": "baselines.page_only:page_only",
    "capuchin": "baselines.capuchin:capuchin",
    "pofo": "baselines.pofo:pofo",
    "moccasin": "baselines.moccasin:moccasin",
    "brute": "brute:brute",
}


def load(
    path: str | Path, costs_path: str | Path | None = None, *, semantics: str = EXACT, ram_bytes: int | None = None,
    deadline_ms: float | None = None, card_bytes: int | None = None, stalls: bool = True,
) -> Problem:  # fmt: skip
    """The problem of an INPUT file: a training graph (then with costs) or an instance. Without `stalls` the card has none."""
    body = artifacts.read_json(path)
    if body.get("format", body.get("schema")) == instance.FORMAT:
        problem = instance.load(path, semantics)
    else:
        if costs_path is None:
            raise InputError(f"{path}: a training graph needs costs", hint="--costs costs.json, from tercet profile")
        if semantics == POET:
            raise InputError("poet semantics are for published instances; a training graph has measured costs")
        graph, table = training_graph.load(path), shape_cost.attach(costs.load(costs_path))
        shas = {"graph": artifacts.sha256_file(path), "costs": artifacts.sha256_file(costs_path)}
        problem = from_graph(graph, table if stalls else table.unstalled(), inputs=shas)
    deadline_ns = None if deadline_ms is None else round(deadline_ms * 1e6)
    return problem.with_budgets(ram_bytes, deadline_ns, problem.card_bytes if card_bytes is None else card_bytes)


def solve(
    problem: Problem, strategy: str = "exact", *, time_limit_s: float = 60.0, workers: int = 2,
    stop: threading.Event | None = None, every_place: bool = False, **options: Any,
) -> Solution:  # fmt: skip
    """The schedule that a strategy finds, judged by the replay.

    With `every_place` no choice of the large weights that live on the card is left out, where they are few.
    Raises InfeasibleError that names the smallest feasible RAM and deadline, InputError for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy {strategy!r} is unknown", hint=f"choose one of {', '.join(STRATEGIES)}")
    module, _, name = STRATEGIES[strategy].partition(":")
    run: Callable[..., Solution] = getattr(import_module(f"tercet.solve.{module}"), name)

    def tried(problem: Problem, limit_s: float) -> Solution:
        floor, where = floor_bytes(problem)
        if problem.ram_bytes is not None and problem.ram_bytes < floor and strategy != "micro-batch":
            raise InfeasibleError(f"{where} alone needs {floor} bytes")
        return run(problem, time_limit_s=limit_s, workers=workers, stop=stop, **options)

    try:
        if every_place:
            return places.best(problem, time_limit_s, tried, stop)
        return ranking.best(problem, time_limit_s, tried, stop)
    except InfeasibleError as error:
        if error.smallest:
            raise
        raise explain_infeasible(homes.candidates(problem)[0], time_limit_s=time_limit_s) from error
