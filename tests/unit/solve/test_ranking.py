# SPDX-License-Identifier: Apache-2.0
"""Choices of the weights that live on the card, ranked by a relaxation."""

import time
from dataclasses import replace

import pytest
from tercet.solve import api, bench, exact, homes, mip, places, ranking
from tercet.solve.solution import HOMES


def posed(name):
    (case,) = [case for case in bench.own() if case.name == name]
    return bench.posed(case)


def test_the_first_choice_leaves_room_for_what_a_step_needs_and_for_no_more():
    problem = posed("resnet-8")
    (usual,) = homes.candidates(problem)
    placed = tuple(item.name for item in usual.items.values() if item.on_card)
    highs = mip.Highs()
    try:
        before = ranking._bound(problem, placed, highs, 60)
        # a weight less is too little room, whichever it is
        choices = ranking.ranked(problem, time.perf_counter() + 120)
        first = ranking._bound(problem, choices[0], highs, 60)
        less = [tuple(name for name in choices[0] if name != left) for left in choices[0]]
        assert all(ranking._bound(problem, choice, highs, 60) is None for choice in less)
    finally:
        highs.helper.close()
    assert first < 0.91 * before


def test_what_ranks_is_what_places_choose_from():
    problem = posed("lenet-28")
    choices = ranking.ranked(problem, time.perf_counter() + 60)
    assert choices and set(choices) <= set(places.choices_of(problem))
    found = api.solve(problem)
    alone = exact.exact(homes.placed(problem, choices[0]))
    assert HOMES in found.restrictions and found.objective_j == pytest.approx(alone.objective_j, rel=1e-9)


def test_deadlines_overlap_and_a_card_that_is_full_are_left_to_local_search():
    problem = posed("lenet-28")
    bounded = (replace(problem, overlap=True), replace(problem, deadline_ns=10**9), replace(problem, card_bytes=10**6))
    for other in bounded:
        assert ranking.ranked(other, time.perf_counter() + 60) == []
    assert api.solve(bounded[2]).objective_j == pytest.approx(api.solve(problem).objective_j, rel=1e-6)
