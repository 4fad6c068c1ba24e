# SPDX-License-Identifier: Apache-2.0
"""What is too small to matter is left out of the rows, and put back into the schedules."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tercet.errors import InfeasibleError
from tercet.solve import bench, coarse, exact
from tercet.solve.problem import Item, Op, with_gradients_in_ram
from tercet.solve.replay import replay

_spec = importlib.util.spec_from_file_location("solve_conftest", Path(__file__).with_name("conftest.py"))
_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_conftest)


def with_statistics(problem):
    """The problem with tensors a thousand times as large, and two nodes behind each: a statistic of what it wrote, of a few
    bytes, and one of that statistic."""
    items = {name: replace(i, nbytes=1000 * i.nbytes, bounce_bytes=0) for name, i in problem.items.items()}
    ops = []
    for k, op in enumerate(problem.ops):
        items |= {f"s{k}": Item(f"s{k}", 2), f"r{k}": Item(f"r{k}", 1)}
        ops += [
            replace(op, workspace_bytes=1000 * op.workspace_bytes), Op(f"s{k}", op.outputs, (f"s{k}",), 2, 3),
            Op(f"r{k}", (f"s{k}",), (f"r{k}",), 1, 1),
        ]  # fmt: skip
    return replace(problem, ops=tuple(ops), items=items)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(_conftest.problems(most=4), st.integers(3, 16))
def test_a_bound_without_what_is_small_holds_and_schedules_fit_with_it(problem, tens):
    whole = with_statistics(problem).with_budgets(tens * 10_000 + 20)
    rough = coarse.coarse(whole)
    assert rough is not None and len(rough.ops) == 2 * len(problem.ops) + 1 and rough.keep_all_pj == whole.keep_all_pj
    try:
        found = exact.exact(whole, time_limit_s=20, workers=1)
    except InfeasibleError:
        return
    assert coarse.ROUGHLY in found.restrictions and replay(whole, found.schedule).legal and found.status == "optimal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse, "coarse", lambda problem: None)
        plain = exact.exact(whole, time_limit_s=20, workers=1)
        # between the first executions of what is left out a node may run once more
        assert plain.status == "optimal" and plain.replay.energy_pj <= found.replay.energy_pj
        try:
            roomy = exact.exact(coarse.with_room(rough, whole), time_limit_s=20, workers=1)
        except InfeasibleError:
            return
    assert replay(whole, coarse.lifted(whole, roomy.schedule)).legal and roomy.objective_j >= found.objective_j


def test_batch_normalisation_takes_a_quarter_of_the_nodes_and_nothing_of_the_bytes():
    (case,) = [case for case in bench.own() if case.name == "resnet-8"]
    problem = bench.posed(case)
    rough = coarse.coarse(problem)
    assert rough is not None and len(rough.ops) < 0.75 * len(problem.ops)
    left_out = sum(problem.items[name].nbytes for name in set(problem.items) - set(rough.items))
    assert 0 < left_out <= coarse.SHARE * problem.ram_bytes
    assert {w for op in rough.ops for w in op.mutates} >= {"batch_norm7.gamma", "conv2d1.w"}


def test_gradients_that_stay_are_a_restriction():
    problem = _conftest.chain().with_budgets(310)
    stays = with_gradients_in_ram(problem)
    assert [op.again for op in stays.ops] == [True, True, True, False, False] and not stays.items["g"].pageable
    free, held = exact.exact(problem), exact.exact(problem, gradients_stay=True)
    assert exact.STAY in held.restrictions and exact.STAY not in free.restrictions
    assert held.objective_j == pytest.approx(free.objective_j)
