# SPDX-License-Identifier: Apache-2.0
"""Arena placement: apart in time and space, tight whenever possible, judged by its own checker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tercet.errors import TercetError
from tercet.plan.arena import Interval, Placement, check, live_peak, place

BUFFERS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 30), st.integers(0, 12)).map(lambda t: (t[0], t[1], t[1] + t[2])),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(BUFFERS)
def test_any_placement_passes_the_checker(buffers):
    intervals = [Interval(f"t{i}", *buffer) for i, buffer in enumerate(buffers)]
    placement = place(intervals, time_limit_s=0.3)
    check(intervals, placement)
    assert placement.extent_bytes >= placement.live_peak_bytes == live_peak(intervals)


def test_a_packing_that_best_fit_misses_is_closed():
    """Dynamic-storage instance on which first- and best-fit in all orders here leave a gap."""
    sizes = [(1, 1, 4), (2, 0, 2), (1, 0, 0), (1, 3, 5), (2, 4, 6), (1, 6, 6), (2, 5, 7), (1, 7, 8)]
    intervals = [Interval(f"t{i}", 16 * s, a, b) for i, (s, a, b) in enumerate(sizes)]
    placement = place(intervals)
    check(intervals, placement)
    assert placement.extent_bytes <= placement.live_peak_bytes + 16


def test_a_packing_within_a_budget_is_enough():
    """Best-fit exceeds the budget, which is above the live peak; a limit that nothing meets changes nothing."""
    sizes = [(1, 1, 4), (2, 0, 2), (1, 0, 0), (1, 3, 5), (2, 4, 6), (1, 6, 6), (2, 5, 7), (1, 7, 8)]
    intervals = [Interval(f"t{i}", 16 * s, a, b) for i, (s, a, b) in enumerate(sizes)]
    bound = live_peak(intervals)
    placement = place(intervals, enough_bytes=bound)
    check(intervals, placement)
    assert placement.tight
    assert place(intervals, enough_bytes=bound - 16).extent_bytes == bound


def test_checker_finds_overlap_misalignment_and_overflow():
    intervals = [Interval("a", 32, 0, 3), Interval("b", 32, 3, 5)]
    check(intervals, Placement((0, 32), 64, 64, "by hand"))
    for offsets, extent in (((0, 16), 64), ((0, 40), 96), ((0, 48), 64), ((0,), 64)):
        with pytest.raises(TercetError):
            check(intervals, Placement(offsets, extent, 64, "by hand"))


def test_ill_formed_intervals_are_refused():
    with pytest.raises(TercetError, match="ill-formed"):
        place([Interval("a", 1, 2, 1)])


def test_zero_sized_buffers_take_nothing():
    placement = place([Interval("a", 0, 0, 1), Interval("b", 16, 0, 1)])
    assert placement.extent_bytes == 16
