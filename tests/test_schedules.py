# SPDX-License-Identifier: Apache-2.0
"""Every published schedule is legal, keeps its budget, and costs what it says."""

from itertools import pairwise
from pathlib import Path

import pytest
from tercet import artifacts
from tercet.solve import api, instance, platforms
from tercet.solve import schedule as schedules
from tercet.solve.baselines.keep_all import peak_bytes
from tercet.solve.problem import POET
from tercet.solve.replay import replay
from tercet.solve.solution import HOMES

FOLDER = Path(__file__).parents[1] / "schedules"
PUBLISHED = sorted(FOLDER.glob("*__*__*.json"))
NETWORKS, BOARDS = ("vgg16_cifar", "resnet18_cifar", "bert", "resnet50"), ("m0", "m4", "a72", "tx2")


def problem_of(path):
    name, board, _ = path.stem.split("__")
    file = FOLDER / "instances" / f"{name}__{board}.json"
    if not file.is_file():
        file = FOLDER / "instances" / f"{name}__m4.json"
        body = platforms.derive(artifacts.read_json(file), board)
    else:
        body = artifacts.read_json(file)
    return instance.from_instance(body, POET, sha256=artifacts.sha256_file(file))


def test_every_network_has_a_schedule_on_every_board():
    found = {tuple(path.stem.split("__")[:2]) for path in PUBLISHED}
    assert found >= {(network, board) for network in NETWORKS for board in BOARDS}


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_published_schedule_replays(path):
    found = schedules.load(path)
    problem = problem_of(path)
    outcome = replay(problem.with_budgets(found.meta["ram_budget_bytes"]), found)
    assert outcome.legal, outcome.reason
    assert outcome.energy_j == pytest.approx(found.meta["objective_j"], rel=1e-12)
    assert outcome.peak_bytes == found.meta["peak_bytes"] and found.inputs == dict(problem.inputs)


@pytest.mark.parametrize("path", sorted((FOLDER / "own").glob("*__50.json")), ids=lambda path: path.stem)
def test_a_schedule_of_our_own_networks_replays_and_none_is_better(path):
    found, name = schedules.load(path), path.stem.removesuffix("__50")
    problem = api.load(
        FOLDER / "own" / f"{name}.graph.json", FOLDER / "own" / f"{name}.costs.json", ram_bytes=found.meta["ram_budget_bytes"]
    )
    assert found.meta["ram_budget_bytes"] == peak_bytes(problem) // 2
    outcome = replay(problem, found)
    assert outcome.legal, outcome.reason
    assert outcome.energy_j == pytest.approx(found.meta["objective_j"], rel=1e-12)
    best = api.solve(problem, every_place=True, time_limit_s=240)
    assert best.status == "optimal" and HOMES not in best.restrictions
    assert best.objective_j == pytest.approx(outcome.energy_j, rel=1e-6)
    # the places that rank first have among them the best, here
    found = api.solve(problem, time_limit_s=120)
    assert found.status == "optimal" and found.objective_j == pytest.approx(best.objective_j, rel=1e-6)


def test_more_ram_never_costs_more_energy_whichever_weights_live_on_the_card():
    problem = api.load(FOLDER / "own" / "demo.graph.json", FOLDER / "own" / "demo.costs.json")
    budgets = [int(share * peak_bytes(problem)) for share in (0.5, 0.6, 0.7, 0.8)]
    found = [api.solve(problem.with_budgets(ram), time_limit_s=120) for ram in budgets]
    assert all(solution.status == "optimal" for solution in found)
    assert all(more.objective_j <= less.objective_j for less, more in pairwise(found))


PAIRS = [("linear", "m0"), ("resnet18_cifar", "m0"), ("resnet18_cifar", "a72"), ("bert", "a72")]


@pytest.mark.parametrize(("name", "board"), PAIRS)
def test_platforms_derived_by_rule_agree_with_the_published_files(name, board):
    derived = platforms.derive(artifacts.read_json(FOLDER / "instances" / f"{name}__m4.json"), board)
    given = artifacts.read_json(FOLDER / "instances" / f"{name}__{board}.json")
    for ours, theirs in zip(derived["nodes"], given["nodes"], strict=True):
        for field in ("time_s", "compute_j", "pagein_j", "pageout_j", "pagein_s", "pageout_s"):
            assert ours[field] == pytest.approx(theirs[field], rel=2e-3), (ours["name"], field)
