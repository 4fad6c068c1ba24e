# SPDX-License-Identifier: Apache-2.0
"""How a race is run: a safe LP bound, fixing, cases, brackets, branch and bound; CP-SAT where the rows are few."""

from __future__ import annotations

import time

from tercet.errors import InfeasibleError
from tercet.solve import compact, cpsat, guidance, leaves, mip, search, totals
from tercet.solve.decode import decode
from tercet.solve.problem import Problem
from tercet.solve.race import Race

SMALL_COLUMNS = 1500
# Where, between the bound and the best schedule, branch and bound looks first.
SHARES = (0.06, 0.25, 0.6, 1.0)
# The share of the time that is left which goes into the count of executions and transfers.
COUNTING = 0.45
# The share of the time that is left which goes into schedules near the LP's optimum, and the gap that is good enough there.
# First those near it in the narrow sense.
GLANCE = 0.1, 0.02, guidance.NARROW
NEARBY = 0.3, 3e-4, guidance.WIDE
# Of few columns those near it in the wide sense are few enough to begin with.
NEARBY_FEW = 0.5, 3e-2, guidance.WIDE
# Where this much of the overhead is open, the count of everything pays, and cases of the dear actions' numbers do not.
WIDE_GAP = 0.2
# Cases of the dear actions' numbers are looked at where this much is open, and so many LPs are a matter of the time that is left.
SPLIT_GAP, SPLIT_LPS = 0.005, 20
# The shares of the time that is left which go into their tree, and into solving them, unless too much is open.
GROWING, SOLVING = 0.15, 0.8
# From this many columns on the relaxation takes so long that local search does not wait for its guidance.
MANY_COLUMNS = 20000
# Below this many columns one bracket does.
FEW_COLUMNS = 8000


def run(race: Race, time_limit_s: float) -> None:
    """Searches and proves; what a coarse problem cannot have is for the whole one to settle."""
    try:
        _search(race, min(0.02 * time_limit_s, _effort(race.problem)))
        _prove(race)
        race.linger()
    except InfeasibleError:
        if race.whole is None:
            raise
    finally:
        race.close()


def _search(race: Race, effort_s: float) -> None:
    """The first schedules: whatever fits, then a short climb with the card, without it, and with the card alone."""
    problem, paging, rerun = race.roomy, race.options["paging"], race.options["rerun"]
    found = search.search(problem, time_limit_s=0.0, paging=paging, rerun=rerun)
    if found is not None:
        race.offer(found)
    for ways in {(paging, rerun), (paging, False), (False, rerun)} - {(False, False)}:
        better = search.search(problem, time_limit_s=effort_s / 3, paging=ways[0] and paging, rerun=ways[1], seed=2)
        if better is not None:
            race.offer(better)


def _prove(race: Race) -> None:
    """Bounds, fixes and branches until the best schedule is proved or time is up."""
    if race.best is not None and race.best_pj <= race.problem.keep_all_pj:
        if all(op.again_pj >= 0 for op in race.problem.ops):
            race.bound_pj, race.proved = race.best_pj, True
        return
    built = race.build()
    if len(built.rows.names) <= SMALL_COLUMNS:
        _by_cpsat(race, built, min(race.left_s, 12.0))
        if race.over:
            return
    if len(built.rows.names) > MANY_COLUMNS:
        race.seek()
    _fix(race, built, race.best_pj)
    if race.relaxed is not None and race.best is not None and len(built.rows.names) > SMALL_COLUMNS:
        _follow(race, built, race.relaxed)
    if race.over:
        return
    if race.overhead_gap > WIDE_GAP and not race.over:
        _count(race)
    size = len(race.build().rows.names)
    for share in SHARES[-1:] if size < FEW_COLUMNS else SHARES:
        if race.over:
            return
        gap = race.best_pj - race.bound_pj
        _bracket(race, race.best_pj if share == 1 or race.best is None else int(race.bound_pj + share * gap))


def _follow(race: Race, built: compact.Compact, relaxed: mip.Relaxed) -> None:
    """Looks for schedules near the LP's optimum, in a narrow and in a wide sense; a better one is a new cutoff for the cases."""
    if not race.over:
        race.seek([guidance.policy(built, relaxed.point, race.options["paging"], race.options["rerun"])])
    for near in (GLANCE, NEARBY) if len(built.rows.names) > FEW_COLUMNS else (NEARBY_FEW,):
        if race.over or race.overhead_gap <= SPLIT_GAP:
            return
        before = race.best_pj
        _look_nearby(race, built, relaxed, *near)
        if race.best_pj < before and SPLIT_LPS * relaxed.solve_s < race.left_s:
            _split(race)


def _split(race: Race) -> None:
    """Divides what is open by the numbers of dear actions, and solves the cases if they are few."""
    if race.over or race.overhead_gap < SPLIT_GAP:
        return
    built = race.build()
    unit, offset = race.unit(built), built.rows.offset
    margin = mip.MARGIN * unit * mip.UNITS
    tree = leaves.Tree(built, race.best_pj - offset - margin, unit)
    tree.grow(race.highs, time.perf_counter() + GROWING * race.left_s)
    race.raise_bound(tree.bound + offset, margin)
    if race.over or not tree.whole or race.overhead_gap > WIDE_GAP:
        return
    race.seeker.close()
    second = mip.Highs(race.stop)
    try:
        points = tree.solve([race.highs, second][: race.workers], time.perf_counter() + SOLVING * race.left_s)
    finally:
        second.helper.close()
    for point in points:
        race.offer(decode(built, point.tolist(), "exact"))
    race.raise_bound(tree.bound + offset, margin)


def _count(race: Race) -> None:
    """Raises the bound by a branch and bound in which only the numbers of executions and transfers are whole."""
    built = race.build()
    whole = totals.count(built)
    unit, offset = race.unit(built), built.rows.offset
    margin = mip.MARGIN * unit * mip.UNITS
    found = mip.branch(
        mip.Matrix(built.rows), unit, race.highs, cutoff=race.best_pj - offset - margin if race.best else None,
        time_limit_s=COUNTING * race.left_s, whole=whole,
    )  # fmt: skip
    reached = float(race.best_pj) if found.status == "infeasible" else found.bound + offset
    race.bound_pj = max(race.bound_pj, min(reached, race.best_pj) - margin)


def _bracket(race: Race, target_pj: int) -> None:
    """Decides whether anything is better than `target_pj`: if so finds the best, if not the target becomes the bound.

    What the LP rules out below the target is left out for this round, so that the rows are few when the target is near
    the bound.
    """
    banned, forced = set(race.banned), set(race.forced)
    built = race.build(target_pj)
    for _ in range(3):
        if race.best is None or not _fix(race, built, target_pj) or race.over:
            break
        built = race.build(target_pj)
    if not race.over:
        limit_s = race.left_s * (1.0 if target_pj >= race.best_pj else 0.35)
        _by_branching(race, race.build(target_pj), target_pj, limit_s)
    if target_pj < race.best_pj:
        race.banned, race.forced = banned, forced


def _look_nearby(
    race: Race, built: compact.Compact, relaxed: mip.Relaxed, share: float, gap: float, near: guidance.Shares
) -> None:  # fmt: skip
    """A branch and bound over the columns near the LP's optimum finds better schedules; its bound means nothing."""
    room = race.best_pj - built.rows.offset - relaxed.bound
    rows = race.build(spare=True, left_out=guidance.far(built, relaxed.point, relaxed.reduced, room, near))
    found = mip.branch(
        mip.Matrix(rows.rows), race.unit(rows), race.highs, cutoff=race.best_pj - 1 - rows.rows.offset,
        time_limit_s=share * race.left_s, gap=gap,
    )  # fmt: skip
    if found.point is not None:
        race.offer(decode(rows, found.point.tolist(), "exact"))
    _rule_out(race, built, relaxed, race.best_pj)


def _effort(problem: Problem) -> float:
    """Seconds of local search that a problem of this size is worth at a time."""
    return 0.1 + 0.00004 * len(problem.ops) ** 2


def _by_cpsat(race: Race, built: compact.Compact, limit_s: float) -> None:
    """Few rows: CP-SAT decides them in integers."""
    answer = cpsat.solve_rows(built.rows, time_limit_s=limit_s, workers=race.workers, stop=race.stop)
    _answered(race, built, answer)


def _answered(race: Race, built: compact.Compact, answer: cpsat.Answer) -> None:
    if answer.status == "infeasible":
        if race.best is None:
            raise InfeasibleError("no schedule meets the budgets")
        race.bound_pj, race.proved = race.best_pj, True
        return
    fits = answer.values is None or race.offer(decode(built, answer.values, "exact"))
    if answer.bound is not None:
        race.bound_pj = max(race.bound_pj, min(answer.bound, race.best_pj))
    race.settle(answer.status == "optimal", fits)


def _fix(race: Race, built: compact.Compact, target_pj: int) -> bool:
    """The LP bound and what it rules out below the target; whether another round may rule out more."""
    matrix = mip.Matrix(built.rows)
    relaxed = mip.relax(matrix, race.unit(built), race.highs, time_limit_s=race.left_s)
    if relaxed is None:
        return False
    race.relaxed = relaxed
    race.bound_pj = max(race.bound_pj, min(float(target_pj), relaxed.bound + built.rows.offset))
    return race.best is not None and _rule_out(race, built, relaxed, target_pj)


def _rule_out(race: Race, built: compact.Compact, relaxed: mip.Relaxed, target_pj: int) -> bool:
    """Fixes the columns whose reduced costs lead above the target; whether so many that another round may rule out more."""
    # only what is strictly better than the target, by a picojoule at least, is of interest
    room = target_pj - 1 - built.rows.offset - relaxed.bound
    if room < 0:
        race.proved = target_pj >= race.best_pj
        race.bound_pj = max(race.bound_pj, target_pj)
        return False
    before = len(race.banned) + len(race.forced)
    for key, column in built.columns().items():
        if built.rows.low[column] == built.rows.high[column]:
            continue
        if relaxed.reduced[column] > room:
            race.banned.add(key)
        elif -relaxed.reduced[column] > room:
            race.forced.add(key)
    return len(race.banned) + len(race.forced) > before + 0.03 * len(built.rows.names)


def _by_branching(race: Race, built: compact.Compact, target_pj: int, limit_s: float) -> None:
    """Branch and bound over what is left, below the target."""
    unit, offset = race.unit(built), built.rows.offset
    margin = mip.MARGIN * unit * mip.UNITS
    cutoff = target_pj - offset - margin if race.best is not None else None
    found = mip.branch(mip.Matrix(built.rows), unit, race.highs, cutoff=cutoff, time_limit_s=limit_s)
    if found.status == "infeasible":
        if race.best is None:
            raise InfeasibleError("no schedule meets the budgets")
        race.bound_pj = max(race.bound_pj, target_pj - margin)
        race.proved = target_pj >= race.best_pj
        return
    fits = found.point is None or race.offer(decode(built, found.point.tolist(), "exact"))
    race.bound_pj = max(race.bound_pj, min(found.bound + offset, target_pj, race.best_pj) - margin)
    race.settle(found.status == "optimal", fits)
