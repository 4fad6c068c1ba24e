# SPDX-License-Identifier: Apache-2.0
"""Low rank: regressions are optimal, full rank loses nothing, response methods beat SVD of the weights."""

import numpy as np
import pytest
from tercet.compress import lowrank
from tercet.compress.network import Network, Samples, macs
from tercet.errors import InfeasibleError, InputError


def _error(model, weights, digits):
    return Network(model).error_percent(weights, Samples(digits.inputs("test"), digits.labels("test")))


def test_regression_is_the_best_of_its_rank():
    generator = np.random.default_rng(0)
    seen = generator.standard_normal((500, 6)) * np.array([5, 3, 2, 1, 1, 0.2])
    target = seen @ generator.standard_normal((6, 4)) + 0.1 * generator.standard_normal((500, 4)) + 3
    u, v, c = lowrank.regression(target, seen, 2)
    least = float(((target - seen @ v.T @ u.T - c) ** 2).sum())
    fitted = np.linalg.lstsq(np.c_[seen, np.ones(500)], target, rcond=None)
    centred = np.c_[seen, np.ones(500)] @ fitted[0] - target.mean(0)
    tail = np.linalg.svd(centred, compute_uv=False)[2:]
    assert least == pytest.approx(float(fitted[1].sum() + (tail**2).sum()), rel=1e-4)


def test_auxiliary_is_the_minimum_over_all_z():
    generator = np.random.default_rng(1)
    grid = np.linspace(-6, 6, 4001)
    for target, fitted in generator.uniform(-3, 3, (60, 2)):
        for penalty in (0.01, 1.0):
            cost = (max(target, 0) - np.maximum(grid, 0)) ** 2 + penalty * (grid - fitted) ** 2
            z = float(lowrank.auxiliary(np.array([target]), np.array([fitted]), penalty)[0])
            found = (max(target, 0) - max(z, 0)) ** 2 + penalty * (z - fitted) ** 2
            assert found <= cost.min() + 1e-9


@pytest.mark.parametrize("method", lowrank.METHODS)
@pytest.mark.parametrize("which", ["dense_net", "conv_net"])
def test_full_rank_loses_nothing(which, method, digits, request):
    net, weights = request.getfixturevalue(which)
    shapes = {layer.name: weights[layer.parameters["w"]] for layer in lowrank.factorable(net.model)}
    ranks = {name: min(len(w), w[0].size) for name, w in shapes.items()}
    model, thin = lowrank.factor(net.model, weights, ranks, digits.inputs()[:400], method=method)
    exact, found = net.logits(weights, digits.inputs("test")), Network(model).logits(thin, digits.inputs("test"))
    assert np.mean(exact.argmax(1) == found.argmax(1)) > 0.985
    assert model.output == net.model.output


def test_response_methods_beat_the_svd_of_the_weights(conv_net, digits):
    net, weights = conv_net
    x = digits.inputs()
    ranks = lowrank.choose_ranks(net.model, lowrank.spectra(net.model, weights, x), 2.5)
    errors = {}
    for method in lowrank.METHODS:
        model, thin = lowrank.factor(net.model, weights, ranks, x, method=method)
        errors[method] = _error(model, thin, digits)
        before, after = macs(net.model), macs(model)
        factored = [name for name in ranks]
        assert sum(before[n] for n in factored) >= 2.5 * sum(after[n] + after[f"{n}_thin"] for n in factored)
    assert errors["nonlinear"] <= errors["asymmetric"] + 1.2 and errors["asymmetric"] < errors["svd"]


def test_greedy_ranks_spend_where_variance_lies(dense_net):
    net, _ = dense_net
    flat, steep = np.ones(48), np.r_[100.0, np.full(23, 1e-6)]
    ranks = lowrank.choose_ranks(net.model, {"dense1": flat, "dense2": steep}, 2.0)
    assert ranks["dense2"] == 1 and ranks["dense1"] > 10


def test_refusals(dense_net, digits):
    net, weights = dense_net
    with pytest.raises(InfeasibleError) as caught:
        lowrank.choose_ranks(net.model, {"dense1": np.ones(48), "dense2": np.ones(24)}, 1000)
    assert 1 < caught.value.smallest["speedup"] < 1000
    for bad in ({"dense3": 2}, {"dense1": 0}, {"dense1": 49}):
        with pytest.raises(InputError):
            lowrank.factor(net.model, weights, bad, digits.inputs()[:10])
    with pytest.raises(InputError, match="no samples"):
        lowrank.factor(net.model, weights, {"dense1": 2}, digits.inputs()[:0])
    with pytest.raises(InputError, match="svd"):
        lowrank.factor(net.model, weights, {"dense1": 2}, digits.inputs()[:5], method="magic")
