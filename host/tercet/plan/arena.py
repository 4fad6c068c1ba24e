# SPDX-License-Identifier: Apache-2.0
"""Offsets in the one arena: buffers that live together do not overlap, and the extent is the live peak if it can be.

Best-fit in several orders first; where all of them leave a gap, CP-SAT's `AddNoOverlap2D` looks for a packing that is good
enough, which is found far sooner than the smallest one, and then for a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tercet.errors import TercetError

ALIGNMENT_BYTES = 16


@dataclass(frozen=True)
class Interval:
    """A buffer that is taken at event `start` and released after event `end` (both included)."""

    name: str
    nbytes: int
    start: int
    end: int


@dataclass(frozen=True)
class Placement:
    """Offsets in bytes in the order of the intervals, the extent, and the live peak below which no extent can be."""

    offsets: tuple[int, ...]
    extent_bytes: int
    live_peak_bytes: int
    method: str

    @property
    def tight(self) -> bool:
        """Whether fragmentation costs nothing."""
        return self.extent_bytes == self.live_peak_bytes


def aligned(nbytes: int, alignment: int = ALIGNMENT_BYTES) -> int:
    """`nbytes` rounded up to a multiple of the alignment."""
    return -(-nbytes // alignment) * alignment


def live_peak(intervals: Sequence[Interval], alignment: int = ALIGNMENT_BYTES) -> int:
    """The largest sum of aligned sizes that are live at one event: the lower bound of any extent."""
    change: dict[int, int] = {}
    for interval in intervals:
        size = aligned(interval.nbytes, alignment)
        change[interval.start] = change.get(interval.start, 0) + size
        change[interval.end + 1] = change.get(interval.end + 1, 0) - size
    total = peak = 0
    for event in sorted(change):
        total += change[event]
        peak = max(peak, total)
    return peak


def place(
    intervals: Sequence[Interval], *, alignment: int = ALIGNMENT_BYTES, time_limit_s: float = 5.0, enough_bytes: int = 0
) -> Placement:  # fmt: skip
    """The placement with the smallest extent found; raises TercetError when an interval is ill-formed.

    Names may repeat (a tensor may come and go). Stops as soon as the extent equals the live peak. Where best-fit exceeds
    `enough_bytes`, such as a budget, a packing within them is looked for first; each search takes `time_limit_s` at most.
    """
    _check_input(intervals)
    bound = live_peak(intervals, alignment)
    best: Placement | None = None
    for method, key in _ORDERS.items():
        order = sorted(range(len(intervals)), key=partial(_rank, intervals, key))
        offsets = _best_fit(intervals, order, alignment)
        found = Placement(offsets, _extent(intervals, offsets, alignment), bound, method)
        if best is None or found.extent_bytes < best.extent_bytes:
            best = found
        if best.tight:
            return best
    assert best is not None
    if bound <= enough_bytes < best.extent_bytes:
        best = _no_overlap(intervals, alignment, bound, enough_bytes, time_limit_s, smallest=False) or best
    if best.tight:
        return best
    return _no_overlap(intervals, alignment, bound, best.extent_bytes - alignment, time_limit_s) or best


def _rank(intervals: Sequence[Interval], key: Callable[[Interval], tuple], index: int) -> tuple:
    """Where a buffer stands in an order; its position settles ties."""
    return (*key(intervals[index]), index)


def check(intervals: Sequence[Interval], placement: Placement, *, alignment: int = ALIGNMENT_BYTES) -> None:
    """Raises TercetError unless every buffer is aligned, inside the extent and apart from all that live with it.

    Looks at every pair; shares no code with the placement.
    """
    if len(placement.offsets) != len(intervals):
        raise TercetError(f"arena: {len(placement.offsets)} offsets for {len(intervals)} buffers")
    placed = list(zip(intervals, placement.offsets, strict=True))
    for a, low in placed:
        if low < 0 or low % alignment or low + a.nbytes > placement.extent_bytes:
            where = f"{a.name} at {low} is misaligned or outside {placement.extent_bytes} bytes"
            raise TercetError(f"arena: {where}")
    for index, (a, low_a) in enumerate(placed):
        for b, low_b in placed[index + 1 :]:
            in_time = a.start <= b.end and b.start <= a.end
            if in_time and a.nbytes and b.nbytes and low_a < low_b + b.nbytes and low_b < low_a + a.nbytes:
                raise TercetError(f"arena: {a.name} and {b.name} overlap in time and space")


def _check_input(intervals: Sequence[Interval]) -> None:
    for interval in intervals:
        if interval.nbytes < 0 or interval.start > interval.end:
            raise TercetError(f"arena: {interval} is ill-formed")


_ORDERS: dict[str, Callable[[Interval], tuple]] = {
    "best-fit by lifetime": lambda i: (i.start - i.end, -i.nbytes, i.name),
    "best-fit by size": lambda i: (-i.nbytes, i.start, i.name),
    "best-fit by area": lambda i: (-i.nbytes * (i.end - i.start + 1), i.start, i.name),
    "best-fit by start": lambda i: (i.start, -i.nbytes, i.name),
    "best-fit by end": lambda i: (-i.end, -i.nbytes, i.name),
}


def _best_fit(intervals: Sequence[Interval], order: Sequence[int], alignment: int) -> tuple[int, ...]:
    """Each buffer in the smallest gap into which it fits, among the buffers that live with it, else above them."""
    placed: list[tuple[Interval, int]] = []
    offsets = [0] * len(intervals)
    for index in order:
        interval = intervals[index]
        size = aligned(interval.nbytes, alignment)
        alive = sorted(
            (offset, offset + aligned(other.nbytes, alignment))
            for other, offset in placed
            if other.start <= interval.end and interval.start <= other.end
        )
        top = 0
        gaps = []
        for low, high in alive:
            if low - top >= size:
                gaps.append((low - top, top))
            top = max(top, high)
        offsets[index] = min(gaps)[1] if gaps else top
        placed.append((interval, offsets[index]))
    return tuple(offsets)


def _extent(intervals: Sequence[Interval], offsets: Sequence[int], alignment: int) -> int:
    ends = (low + aligned(i.nbytes, alignment) for i, low in zip(intervals, offsets, strict=True))
    return max(ends, default=0)


def _no_overlap(
    intervals: Sequence[Interval], alignment: int, bound: int, most_bytes: int, time_limit_s: float, smallest: bool = True
) -> Placement | None:  # fmt: skip
    """The `smallest` packing within `most_bytes`, or any, or None. Sizes in units of the alignment keep the numbers small."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    most = most_bytes // alignment
    top = model.new_int_var(bound // alignment, most, "extent")
    xs, ys, lows = [], [], {}
    for index, interval in enumerate(intervals):
        size = aligned(interval.nbytes, alignment) // alignment
        if not size:
            continue
        lows[index] = model.new_int_var(0, most - size, interval.name)
        model.add(lows[index] + size <= top)
        length = interval.end + 1 - interval.start
        xs.append(model.new_fixed_size_interval_var(interval.start, length, ""))
        ys.append(model.new_fixed_size_interval_var(lows[index], size, ""))
    model.add_no_overlap_2d(xs, ys)
    if smallest:
        model.minimize(top)
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # Ctrl-C is the command's
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = 2
    solver.parameters.random_seed = 7
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    offsets = tuple(solver.value(lows[i]) * alignment if i in lows else 0 for i in range(len(intervals)))
    return Placement(offsets, _extent(intervals, offsets, alignment), bound, "no-overlap packing")
