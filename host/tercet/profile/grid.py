# SPDX-License-Identifier: Apache-2.0
"""Shapes that a profile measures once for a board, so that costs of others can be fitted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tercet.autodiff.graph import Graph
from tercet.autodiff.training import training_graph
from tercet.errors import InputError
from tercet.model.builder import mlp
from tercet.profile import cases
from tercet.profile.bench import Effort
from tercet.profile.cases import Case

# Shorter regions than a profile of one network: there are many shapes, and the fit averages over them.
EFFORT = Effort(region_us=3_000.0, most_repeats=40, rounds=3)
_GRAPHS = 48
_MOST_PRODUCTS = 120_000
_BATCHES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48)
_READ_BATCHES = (1, 6, 16, 48)


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


def _dense(loss: str, optimizer: str) -> Iterator[Graph]:
    for i, (batch, widths) in enumerate(dense_shapes()):
        yield training_graph(mlp(f"grid-{i}", list(widths)), batch, loss, {"name": optimizer})


GRIDS: dict[str, Callable[[str, str], Iterator[Graph]]] = {"dense": _dense}


def of_name(name: str, width: int, *, loss: str = "softmax_cross_entropy", optimizer: str = "sgd") -> list[Case]:
    """The cases of a grid: its kernels, and reads of some numbers of rows of `width` features. InputError for an unknown name."""
    if name not in GRIDS:
        raise InputError(f"no grid is called {name!r}", hint=f"one of {', '.join(GRIDS)}")
    kernels = [case for case in cases.of_graphs(GRIDS[name](loss, optimizer)) if not case.python]
    readers = (training_graph(mlp("reads", [width, 4]), batch, loss, {"name": optimizer}) for batch in _READ_BATCHES)
    return [case for case in cases.of_graphs(readers) if case.python] + kernels
