# SPDX-License-Identifier: Apache-2.0
"""Between schedules and rows: what the rows allow and a schedule does not, and what a restriction leaves out."""

from tercet.solve import bench, compact
from tercet.solve.columns import ONE
from tercet.solve.decode import decode
from tercet.solve.problem import Item, Op, Problem
from tercet.solve.replay import replay
from tercet.solve.stages import stages


def test_a_node_of_two_outputs_that_a_solution_runs_again_for_nothing_is_left_out():
    items = {name: Item(name, 10) for name in "abcd"}
    ops = (
        Op("ab", (), ("a", "b"), 1, 1), Op("c", ("a",), ("c",), 1, 1), Op("d", ("a", "b", "c"), ("d",), 1, 1),
    )  # fmt: skip
    problem = Problem("two", ops, items, ram_bytes=100)
    built = compact.build(stages(problem))
    # everything is held, and yet the first node runs again in the last stage
    point = [0] * len(built.rows.names)
    for column in (built.run[2, 0], *built.held.values()):
        if column != ONE and column >= 0:
            point[column] = 1
    schedule = decode(built, point, "by hand")
    assert replay(problem, schedule).legal and not schedule.recomputed


def test_statistics_kept_in_the_forward_phase_do_not_end_it():
    (case,) = [case for case in bench.own() if case.name == "resnet-8"]
    problem = bench.posed(case)
    assert [op.phase for op in problem.ops].index("update") < problem.index["loss"]
    events = stages(problem, forward_reruns=False).events
    assert all(len(nodes) == 1 for nodes in events[: problem.index["loss"]]) and len(events[-1]) > 1
