# SPDX-License-Identifier: Apache-2.0
"""Shapes that a profile measures once for a board, so that costs of others can be fitted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tercet.autodiff.training import training_graph
from tercet.costs import CostTable
from tercet.model.builder import mlp
from tercet.profile import cases
from tercet.profile.bench import Bench, Effort, Raw
from tercet.profile.cases import Case

# Shorter regions than a profile of one network: there are many shapes, and the fit averages over them.
EFFORT = Effort(region_us=3_000.0, most_repeats=40, rounds=3)
_GRAPHS = 32
_MOST_PRODUCTS = 60_000
# the board's heap holds the plans of as many cases at once
_CASES_A_RUN = 60
_BATCHES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48)


def dense_shapes(seed: int = 1) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """(batch, widths) of small MLPs, the same for each seed: sizes even in logarithm, with every remainder of a block."""
    rng = random.Random(seed)
    found = 0
    while found < _GRAPHS:
        batch = rng.choice(_BATCHES)
        widths = (round(4 * 2 ** rng.uniform(0, 5)), round(4 * 2 ** rng.uniform(0, 5)), round(3 * 2 ** rng.uniform(0, 4)))
        if batch * widths[0] * widths[1] <= _MOST_PRODUCTS:
            found += 1
            yield batch, widths


def dense(optimizer: str = "sgd") -> list[Case]:
    """The cases of the dense grid without reads of data, which depend on the data set."""
    graphs = [
        training_graph(mlp(f"grid-{i}", list(widths)), batch, "softmax_cross_entropy", {"name": optimizer})
        for i, (batch, widths) in enumerate(dense_shapes())
    ]
    return [case for case in cases.of_graphs(graphs) if not case.python]


def measure(bench: Bench, wanted: list[Case], make: Callable[[Raw], CostTable], known: CostTable | None = None) -> CostTable:
    """The costs of all cases, some at a time; what `known` holds is not measured again.

    `make` turns a run into a table. After an error the cases of earlier runs are lost; save in between by calling with parts.
    """
    ops = dict(known.ops) if known else {}
    left = [case for case in wanted if case.name not in ops]
    table = known
    for first in range(0, len(left), _CASES_A_RUN):
        table = make(bench.run([cases.empty(), *left[first : first + _CASES_A_RUN]], EFFORT))
        ops |= table.ops
    if table is None:
        raise ValueError("no case was given")
    from dataclasses import replace

    return replace(table, ops=ops)
