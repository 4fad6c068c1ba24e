# SPDX-License-Identifier: Apache-2.0
"""What shortens the search loses no solution: waiting for readers, cases of how often dear actions happen."""

import importlib.util
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tercet.errors import InfeasibleError
from tercet.solve import bench, compact, cpsat, exact, homes, leaves, mip, proof
from tercet.solve.problem import Item, Op, Problem
from tercet.solve.replay import replay
from tercet.solve.stages import stages

_spec = importlib.util.spec_from_file_location("solve_conftest", Path(__file__).with_name("conftest.py"))
_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_conftest)


def optimum(view):
    """The optimum of the rows of a stage view in picojoules, infinite without a solution."""
    answer = cpsat.solve_rows(compact.build(view).rows, time_limit_s=30, workers=1)
    assert answer.status in ("optimal", "infeasible")
    return float("inf") if answer.objective is None else answer.objective


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(_conftest.trainings(), st.integers(30, 60))
def test_nodes_that_wait_for_their_readers_lose_no_solution(problem, ram_bytes):
    bounded = problem.with_budgets(ram_bytes)
    free = stages(bounded)
    free.__dict__["awaited"] = [None] * len(free.reads)
    assert optimum(stages(bounded)) == optimum(free)


def steps(text, ram_bytes):
    """A problem from lines `node inputs | bytes cost`: `node+` may run again, of `/input` the buffer is taken over."""
    items, ops = {}, []
    for line in text.strip().splitlines():
        left, right = (part.split() for part in line.split("|"))
        name, reads = left[0].strip("+"), tuple(part.strip("/") for part in left[1:])
        taken = tuple((name, part[1:]) for part in left[1:] if part[0] == "/")
        items[name] = Item(name, int(right[0]), pageable=False)
        ops.append(Op(name, reads, (name,), 0, int(right[1]), taken, again=left[0][-1] == "+"))
    return Problem("steps", tuple(ops), items).with_budgets(ram_bytes)


# f2 runs again early, while there is room for what it reads, and waits; its reader g3 asks for less room than that
ROOM = """
f0+ | 10 3
f1+ f0 | 10 7
f2+ f1 f0 | 20 3
f3+ /f2 f1 | 20 20
f4+ f3 | 10 14
g4 f4 f3 | 5 5
g3 g4 f3 f2 | 10 2
g2 g3 f2 f1 | 20 16
g1+ g2 f0 | 10 7
g0+ g1 f0 | 10 9
"""
# f1 takes over the buffer of f0, which is wanted again later: f1 runs again before that, not just before it is read
TAKEN = """
f0+ | 10 8
f1+ /f0 | 10 2
f2+ f1 | 10 17
f3+ f2 | 10 11
f4+ f3 | 10 20
g4 f4 f3 f0 | 10 12
g3+ g4 f3 f2 | 10 6
g2 g3 | 5 7
g1+ g2 f1 f0 | 10 6
g0 g1 f0 | 10 5
"""


@pytest.mark.parametrize(("text", "ram_bytes", "node"), [(ROOM, 63, 2), (TAKEN, 51, 1)])
def test_a_node_that_must_run_ahead_of_its_reader_does_not_wait(text, ram_bytes, node):
    problem = steps(text, ram_bytes)
    view, free, late = stages(problem), stages(problem), stages(problem)
    free.__dict__["awaited"] = [None] * len(free.reads)
    waits = {reader for position in view.writes[node] for reader in view.values[position].readers}
    late.__dict__["awaited"] = [waits if n == node else None for n in range(len(view.reads))]
    assert view.awaited[node] is None
    assert optimum(view) == optimum(free) < optimum(late)


def test_a_node_whose_input_is_larger_may_run_ahead_of_its_reader(ladder):
    view = stages(bench.load("resnet18_cifar", 0.3))
    waits = {view.problem.ops[node].name for node, readers in enumerate(view.awaited) if readers is not None}
    # a sum of two tensors frees both; a convolution with stride writes less than it reads
    assert {"layer2_BatchNorm2d", "layer3_Conv2dLayer"} <= waits
    assert not {"layer11_SkipAddLayer", "layer23_Conv2dLayer"} & waits
    # none of the ladder's nodes: a is no larger than what it is for, but b is
    assert [readers is None for readers in stages(ladder).awaited] == [False, False, True, True]


def test_cases_of_dear_actions_prove_what_the_whole_does():
    problem = bench.load("vgg16_cifar", 0.5)
    # a pinned schedule of the table; the cases must find it below a cutoff above it, and nothing below itself
    best_pj = 3446939318785
    for cutoff_pj, fewest in ((best_pj + 200_000_000, 1), (best_pj, 0)):
        built = compact.build(stages(problem), limit=cutoff_pj - problem.keep_all_pj)
        offset = built.rows.offset
        unit = (cutoff_pj - offset) / mip.UNITS
        tree = leaves.Tree(built, cutoff_pj - offset - mip.MARGIN * unit * mip.UNITS, unit)
        highs, ends = mip.Highs(), time.perf_counter() + 120
        tree.grow(highs, ends)
        assert tree.whole and (not tree.cases or tree.bound + offset <= best_pj + unit)
        points = tree.solve([highs], ends)
        highs.helper.close()
        found = [round(float(tree.matrix.cost @ point.round())) + offset for point in points]
        assert len(found) >= fewest and min(found, default=best_pj) == best_pj


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(_conftest.trainings(), st.integers(30, 60))
def test_waiting_as_a_restriction_is_named_and_no_better(problem, ram_bytes):
    bounded, found = problem.with_budgets(ram_bytes), []
    for waits in (True, False):
        with suppress(InfeasibleError):
            found.append(exact.exact(bounded, time_limit_s=20, workers=1, waits=waits))
            assert (exact.WAITS in found[-1].restrictions) == waits and found[-1].status == "optimal"
    if len(found) == 2:
        assert found[0].replay.energy_pj >= found[1].replay.energy_pj
    assert len(found) != 1 or exact.WAITS not in found[0].restrictions


def test_a_large_problem_is_first_solved_without_what_runs_early_and_frees_nothing(monkeypatch):
    (case,) = [case for case in bench.own() if case.name == "lenet-28"]
    problem, parts = homes.candidates(bench.posed(case))[0], []
    # few columns: as if they were many
    monkeypatch.setattr(proof, "SMALL_COLUMNS", 0)
    ran = proof.run
    monkeypatch.setattr(proof, "run", lambda race, limit_s: (parts.append(race.view.waits), ran(race, limit_s)))
    found = exact.exact(problem, time_limit_s=30)
    assert parts[:2] == [True, False] and exact.WAITS not in found.restrictions
    assert replay(problem, found.schedule).legal and found.bound_j <= found.objective_j
