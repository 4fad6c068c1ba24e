# SPDX-License-Identifier: Apache-2.0
"""Shapes that a profile measures once for a board, so that costs of others can be fitted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from math import prod

from tercet.autodiff.graph import Graph
from tercet.autodiff.training import training_graph
from tercet.errors import InputError
from tercet.model.builder import Builder, mlp
from tercet.model.graph import Model
from tercet.profile import cases
from tercet.profile.bench import Effort
from tercet.profile.cases import Case

# Shorter regions than a profile of one network: there are many shapes, and the fit averages over them.
EFFORT = Effort(region_us=3_000.0, most_repeats=40, rounds=3)
_GRAPHS = 48
_MOST_PRODUCTS = 120_000
_BATCHES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48)
_READ_BATCHES = (1, 6, 16, 48)
# Convolutions: networks of each kind, what one of their layers multiplies at most, and the numbers that it reads and writes.
_MOST_TAPS, _MOST_NUMBERS = 60_000, 9_000
_KINDS = {"threes": 18, "fives": 12, "strided": 12, "pointwise": 8}
_DEPTHWISE = {"depthwise": 16}


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


def convolutional(kinds: dict[str, int], seed: int = 1) -> Iterator[tuple[int, str, Model]]:
    """(batch, what maximum pooling keeps, network) of small CNNs, the same for each seed: three convolutions, then pooling."""
    rng = random.Random(seed)
    for kind, count in kinds.items():
        found = 0
        while found < count:
            batch, image = rng.choice((1, 2, 3, 4, 6, 8, 16)), _image(rng, 10 if kind == "strided" else 6)
            net, most = Builder(f"{kind}-{found}", image), 0.0
            for at in range(3):
                before = prod(net.shape)
                products = _convolve(net, kind, rng)
                most = max(most, batch * products / _MOST_TAPS, batch * (before + prod(net.shape)) / _MOST_NUMBERS)
                if (at + found) % 3:
                    net.relu()
            if most <= 1 and min(net.shape[1:]) >= 2:
                _pool(net, found)
                found += 1
                yield batch, ("argmax", "input")[found % 2], net.flatten().dense(3).model()


def _image(rng: random.Random, least: int) -> tuple[int, int, int]:
    return rng.choice((1, 2, 3, 4, 5, 7, 8)), round(least * 2 ** rng.uniform(0, 1.6)), round(least * 2 ** rng.uniform(0, 1.6))


def _convolve(net: Builder, kind: str, rng: random.Random) -> int:
    """Appends a layer and returns the products of one sample."""
    inputs, outputs = net.shape[0], round(2 * 2 ** rng.uniform(0, 3.2))
    mixed = rng.choice((3, 3, 5))
    kernel, stride = {"threes": 3, "fives": 5, "pointwise": 1}.get(kind, mixed), 1
    if kind in ("strided", "depthwise"):
        stride = 2 if kind == "strided" else rng.choice((1, 2))
    inside = kind in ("threes", "fives") and min(net.shape[1:]) > kernel and rng.random() < 0.4
    padding = 0 if inside else kernel // 2
    if kind == "depthwise":
        net.depthwise(kernel, stride=stride, padding=padding)
        return prod(net.shape) * kernel * kernel
    net.conv(outputs, kernel, stride=stride, padding=padding)
    return prod(net.shape) * inputs * kernel * kernel


def _pool(net: Builder, which: int) -> None:
    if which % 6 == 5:
        net.global_average_pool()
    elif which % 6 == 4:
        net.average_pool(2)
    else:
        net.max_pool(3 if which % 6 > 1 and min(net.shape[1:]) >= 3 else 2)


def _convolutions(kinds: dict[str, int], loss: str, optimizer: str) -> Iterator[Graph]:
    for batch, keeps, model in convolutional(kinds):
        yield training_graph(model, batch, loss, {"name": optimizer}, pool_keeps=keeps)


# name -> its networks, by the sets of native kernels; of each part count the operators that those before it do not have
_Graphs = Callable[[str, str], Iterator[Graph]]
_CNN: tuple[_Graphs, ...] = (_dense, partial(_convolutions, _KINDS))
GRIDS: dict[str, tuple[_Graphs, ...]] = {"dense": (_dense,), "cnn": _CNN, "all": (*_CNN, partial(_convolutions, _DEPTHWISE))}


def of_name(name: str, width: int, *, loss: str = "softmax_cross_entropy", optimizer: str = "sgd") -> list[Case]:
    """The cases of a grid: its kernels, and reads of some numbers of rows of `width` features. InputError for an unknown name."""
    if name not in GRIDS:
        raise InputError(f"no grid is called {name!r}", hint=f"one of {', '.join(GRIDS)}")
    readers = (training_graph(mlp("reads", [width, 4]), batch, loss, {"name": optimizer}) for batch in _READ_BATCHES)
    found = {case.name: case for case in cases.of_graphs(readers) if case.python}
    for graphs in GRIDS[name]:
        known = {case.partition(":")[0] for case in found}
        kernels = [case for case in cases.of_graphs(graphs(loss, optimizer)) if not case.python]
        found |= {case.name: case for case in kernels if case.name.partition(":")[0] not in known}
    return list(found.values())
