# SPDX-License-Identifier: Apache-2.0
"""POET's own formulation, rebuilt from the equations of its paper, to be timed beside ours.

Patil, Jain, Dutta, Stoica and Gonzalez, POET: training neural networks on tiny devices with integrated rematerialization
and paging (2022), with the memory recursion of Checkmate (Jain et al., 2020). T stages of T nodes; binaries R, SRam, SSd,
MIn, MOut, Free; continuous U. A tensor cannot be paged out in the stage that computes it, nor read in the stage that
pages it in; a page-in's buffer is not counted while it fills. So its schedules cost at least, and promise less RAM than,
what the replay of physical schedules says.
"""

from __future__ import annotations

from tercet.solve import mip
from tercet.solve.problem import Problem
from tercet.solve.rows import Rows


class _Grid:
    """Columns addressed by stage and node; above the diagonal there is nothing."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.rows = problem, Rows()
        self.count = len(problem.ops)
        self.index = {op.outputs[0]: k for k, op in enumerate(problem.ops)}
        self.reads = [[self.index[t] for t in op.inputs] for op in problem.ops]
        self.readers: list[list[int]] = [[] for _ in problem.ops]
        for node, sources in enumerate(self.reads):
            for source in sources:
                self.readers[source].append(node)
        self.size = [problem.items[op.outputs[0]].nbytes for op in problem.ops]
        stages = range(self.count)
        item = [problem.items[op.outputs[0]] for op in problem.ops]
        column = self.rows.column
        self.run = {
            (t, i): column("R", low=int(t == i), cost=problem.ops[i].energy_pj) for t in stages for i in range(t + 1)
        }
        self.ram = {(t, i): column("SRam") for t in stages for i in range(t)}
        self.card = {(t, i): column("SSd") for t in stages for i in range(t)}
        self.into = {(t, i): column("MIn", cost=item[i].in_pj) for t in stages for i in range(t)}
        self.out = {(t, i): column("MOut", cost=item[i].out_pj) for t in stages for i in range(t)}
        budget = problem.ram_bytes or 1 << 50
        self.used = {(t, i): column("U", high=budget, whole=False) for t in stages for i in range(t + 1)}


def build(problem: Problem) -> Rows:
    """The rows; every node must have one output and nothing in place."""
    grid = _Grid(problem)
    for t in range(grid.count):
        for node in range(t + 1):
            for source in grid.reads[node]:
                grid.rows.row([(grid.run[t, node], 1), (grid.run[t, source], -1), (grid.ram[t, source], -1)], high=0)
        for i in range(t):
            _states(grid, t, i)
        _memory(grid, t)
    return grid.rows


def _states(grid: _Grid, t: int, i: int) -> None:
    """What may be in RAM or on the card when stage t begins."""
    before = t - 1
    held = [(grid.run[before, i], -1)]
    stored = []
    if i < before:
        held += [(grid.ram[before, i], -1), (grid.into[before, i], -1)]
        stored = [(grid.card[before, i], -1), (grid.out[before, i], -1)]
    grid.rows.row([(grid.ram[t, i], 1), *held], high=0)
    grid.rows.row([(grid.card[t, i], 1), *stored], high=0)
    grid.rows.row([(grid.out[t, i], 1), (grid.ram[t, i], -1)], high=0)
    grid.rows.row([(grid.into[t, i], 1), (grid.card[t, i], -1)], high=0)


def _memory(grid: _Grid, t: int) -> None:
    """U after each node of stage t, with Free linearised by counting hazards."""
    start = [(grid.ram[t, i], grid.size[i]) for i in range(t)]
    for node in range(t + 1):
        terms = [(grid.run[t, node], grid.size[node]), (grid.used[t, node], -1)]
        if node == 0:
            grid.rows.row([*start, *terms], high=0, low=0)
            continue
        freed = []
        for i in {*grid.reads[node - 1], node - 1}:
            later = [grid.run[t, reader] for reader in grid.readers[i] if node - 1 < reader <= t]
            held = [(grid.ram[t + 1, i], 1)] if t + 1 < grid.count and i < t + 1 else []
            hazards = [(grid.run[t, node - 1], -1), *held, *((column, 1) for column in later)]
            free = grid.rows.column("Free")
            # Free is 1 exactly when node - 1 runs, nothing later in the stage reads i, and the next stage does not hold it
            grid.rows.row([(free, -1), *_flip(hazards)], high=-1 + 1)
            grid.rows.row([(free, len(hazards)), *hazards], high=len(hazards) - 1)
            freed.append((free, -grid.size[i]))
        grid.rows.row([(grid.used[t, node - 1], 1), *freed, *terms], high=0, low=0)


def _flip(hazards: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """1 - Free <= number of hazards, where a run that does not happen is one."""
    return [(column, -factor) for column, factor in hazards]


def solve(problem: Problem, time_limit_s: float) -> tuple[str, float | None, int, float]:
    """(status, objective in joules or None, columns, seconds) of the original formulation under HiGHS."""
    rows = build(problem)
    highs = mip.Highs()
    found = mip.branch(mip.Matrix(rows), max(problem.keep_all_pj, 1) / mip.UNITS, highs, time_limit_s=time_limit_s)
    highs.helper.close()
    energy = None
    if found.point is not None:
        energy = sum(c * round(v) for c, v in zip(rows.cost, found.point.tolist(), strict=True)) / 1e12
    return found.status, energy, len(rows.names), found.solve_s
