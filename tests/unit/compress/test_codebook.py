# SPDX-License-Identifier: Apache-2.0
"""Weight sharing: k-means against an exhaustive optimum, gradients per cluster, trained codebooks."""

from itertools import combinations

import numpy as np
import pytest
from tercet.compress import codebook, prune
from tercet.compress.finetune import Recipe
from tercet.compress.network import Samples
from tercet.errors import InputError


def _cost(values, centroids, codes):
    return float(((values - centroids[codes]) ** 2).sum())


def test_kmeans_reaches_the_best_split_of_separated_values():
    values = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 9.8, 10.0, 10.1])
    centroids, codes = codebook.kmeans(values, 3)
    best = min(
        sum(float(((part - part.mean()) ** 2).sum()) for part in np.split(values, cut))
        for cut in combinations(range(1, len(values)), 2)
    )
    assert _cost(values, centroids, codes) == pytest.approx(best, rel=1e-5)
    assert codes.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_kmeans_settles_where_each_value_is_nearest_its_mean():
    values = np.random.default_rng(0).standard_normal(5000)
    centroids, codes = codebook.kmeans(values, 16)
    assert len(centroids) == 16 and np.all(np.diff(centroids) > 0)
    nearest = np.abs(values[:, None] - centroids[None]).argmin(1)
    assert np.mean(nearest == codes) > 0.999
    for code in range(16):
        assert values[codes == code].mean() == pytest.approx(centroids[code], abs=2e-2)


def test_kmeans_of_few_values_is_exact():
    centroids, codes = codebook.kmeans(np.array([2.0, -1.0, 2.0]), 8)
    assert centroids.tolist() == [-1, 2] and codes.tolist() == [1, 0, 1]
    with pytest.raises(InputError):
        codebook.kmeans(np.array([1.0]), 0)


def test_round_to_saturates_and_best_fraction_is_best():
    assert codebook.round_to(np.float32([3.99, -9.0, 0.26]), 5).tolist() == [3.96875, -4.0, 0.25]
    values = np.random.default_rng(1).standard_normal(1000).astype(np.float32) * 0.03
    costs = {f: float(((codebook.round_to(values, f) - values) ** 2).sum()) for f in range(-2, 20)}
    assert codebook.best_fraction(values) == min(costs, key=costs.get)


def test_gradients_are_summed_per_cluster():
    weights = {"w": np.float32([[1.0, 0.0, 1.1], [-2.0, 0.0, 1.0]])}
    shared = codebook.Shared(weights, {"w": 1})
    assert shared.start["w"].tolist() == pytest.approx([-2.0, 31 / 30])
    grads = shared.pull_back(shared.start, {"w": np.float32([[1, 99, 2], [4, 99, 8]])})
    assert grads["w"].tolist() == [4, 11]
    assert shared.effective(shared.start)["w"][0, 1] == 0


@pytest.mark.parametrize("value_bits", [None, 8])
def test_trained_codebooks_beat_plain_clusters(dense_net, digits, value_bits):
    net, weights = dense_net
    train, test = (Samples(digits.inputs(part), digits.labels(part)) for part in ("train", "test"))
    pruned = prune.prune(net, weights, train, prune.named_densities(net, [0.2, 0.3, 0.6]), Recipe(epochs=15, batch=32))
    bits = {"dense1.w": 2, "dense2.w": 2, "dense3.w": 2}
    plain = codebook.Shared(pruned, bits)
    before = net.error_percent(plain.effective(plain.start), test)
    shared = codebook.share(net, pruned, train, bits, Recipe(epochs=8, batch=32, rate=2e-3), value_bits=value_bits)
    assert net.error_percent(shared, test) < before
    for name in bits:
        assert len(np.unique(shared[name][shared[name] != 0])) <= 4
        assert np.all((shared[name] != 0) <= (pruned[name] != 0))
