# SPDX-License-Identifier: Apache-2.0
"""Weight sharing: each layer's non-zero weights become a few values (k-means), which are then trained.

Source: Han, Mao, Dally (2016), Deep Compression: linear initialisation, gradients summed per cluster. A rounding
of the values to
a binary grid of 8 bits, which integer kernels need, is part of the training here.
"""

from __future__ import annotations

import numpy as np

from tercet.compress.finetune import Constraint, Recipe, Teacher, train
from tercet.compress.network import Network, Samples
from tercet.errors import InputError
from tercet.model.weights import Weights

LLOYD_ROUNDS = 60


def kmeans(values: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """(centroids ascending f32, code of each value) of one-dimensional k-means, started at even steps from least
    to largest.

    Fewer centroids come back where clusters stay empty. Lloyd's rounds run on sorted values with prefix sums.
    """
    if clusters < 1:
        raise InputError(f"{clusters} clusters are too few")
    values = np.asarray(values, np.float64).ravel()
    ordered = np.sort(values)
    distinct = np.unique(ordered)
    if len(distinct) <= clusters:
        return distinct.astype(np.float32), np.searchsorted(distinct, values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centroids = np.linspace(ordered[0], ordered[-1], clusters)
    for _ in range(LLOYD_ROUNDS):
        edges = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(ordered)]])
        counts = np.diff(edges)
        moved = np.diff(sums[edges])[counts > 0] / counts[counts > 0]
        if len(moved) == len(centroids) and np.allclose(moved, centroids, rtol=0, atol=1e-9):
            break
        centroids = moved
    centroids = np.unique(centroids.astype(np.float32))
    return centroids, np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)


def best_fraction(values: np.ndarray, bits: int = 8) -> int:
    """The fractional length whose grid of `bits` represents `values` with the least squared error; -128..127 in
    range."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return 0
    top = bits - 1 - int(np.ceil(np.log2(largest)))
    candidates = range(top - 1, top + 3)
    return min(candidates, key=lambda fraction: float(((round_to(values, fraction, bits) - values) ** 2).sum()))


def round_to(values: np.ndarray, fraction: int | np.ndarray, bits: int = 8) -> np.ndarray:
    """The nearest multiples of 2^-fraction (one, or one a value) in the two's complement range of `bits`, f32."""
    limit = 2 ** (bits - 1)
    return (np.clip(np.rint(np.ldexp(values, fraction)), -limit, limit - 1) * 2.0**-fraction).astype(np.float32)


class Shared(Constraint):
    """Weights looked up in codebooks; only the codebooks are trained. Zeros stay zero.

    `bits` gives `{parameter: bits of a code}`. With `value_bits` the network computes with codebooks rounded to
    that grid.
    """

    def __init__(self, weights: Weights, bits: dict[str, int], *, value_bits: int | None = None) -> None:
        self.codes: dict[str, np.ndarray] = {}
        self.kept: dict[str, np.ndarray] = {}
        self.start = dict(weights)
        self.value_bits = value_bits
        self.fractions: dict[str, int] = {}
        for name, count in bits.items():
            kept = weights[name] != 0
            book, codes = kmeans(weights[name][kept], 2**count) if kept.any() else (np.ones(1, np.float32), np.zeros(0, int))
            self.kept[name], self.codes[name], self.start[name] = kept, codes, book
            if value_bits:
                self.fractions[name] = best_fraction(book[codes] if len(codes) else book, value_bits)

    def effective(self, trained: Weights) -> Weights:
        """The codebooks looked up."""
        weights = dict(trained)
        for name, codes in self.codes.items():
            book = trained[name]
            if name in self.fractions:
                book = round_to(book, self.fractions[name], self.value_bits or 8)
            full = np.zeros(self.kept[name].shape, np.float32)
            full[self.kept[name]] = book[codes]
            weights[name] = full
        return weights

    def pull_back(self, trained: Weights, grads: Weights) -> Weights:
        """Gradients summed per cluster; rounding passes them through."""
        shared = dict(grads)
        for name, codes in self.codes.items():
            each = grads[name][self.kept[name]]
            shared[name] = np.bincount(codes, each, minlength=len(trained[name])).astype(np.float32)
        return shared


def share(
    network: Network,
    weights: Weights,
    samples: Samples,
    bits: dict[str, int],
    recipe: Recipe,
    *,
    teacher: Teacher | None = None,
    value_bits: int | None = None,
    frozen: set[str] | None = None,
) -> Weights:
    """Weights with at most 2^bits different non-zero values a layer, after training of those values."""
    constraint = Shared(weights, bits, value_bits=value_bits)
    trained = train(network, constraint.start, samples, recipe, constraint=constraint, teacher=teacher, frozen=frozen)
    return constraint.effective(trained)
