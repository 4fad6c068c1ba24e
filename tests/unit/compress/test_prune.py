# SPDX-License-Identifier: Apache-2.0
"""Pruning: densities are met, saliency is the rise of the loss, retraining pays, pruned weights may return."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tercet.compress import curvature, prune
from tercet.compress.finetune import Recipe, softmax
from tercet.compress.network import Network, Samples, weight_layers
from tercet.errors import InputError
from tercet.model import Builder


def _error(net, weights, digits):
    return net.error_percent(weights, Samples(digits.inputs("test"), digits.labels("test")))


@given(st.floats(0.001, 1.0))
@settings(max_examples=40, deadline=None)
def test_one_density_is_met_by_all_layers_together_and_spares_small_ones(density):
    net = Builder("net", (1, 28, 28)).conv(6, 5).relu().max_pool(2).flatten().dense(100).relu().dense(10)
    network = Network(net.model())
    found = prune.spread(network, density)
    parameters = network.model.parameters
    sizes = {layer.parameters["w"]: parameters[layer.parameters["w"]].count for layer in weight_layers(network.model)}
    kept = sum(sizes[name] * share for name, share in found.items())
    assert kept == pytest.approx(density * sum(sizes.values()))
    assert all(0 < share <= 1 for share in found.values())
    assert found["conv2d1.w"] >= found["dense2.w"] >= found["dense1.w"]


def test_keep_largest_counts_exactly_even_with_ties():
    scores = np.array([[3.0, 1, 1, 1], [2, 1, 0, 1]])
    assert prune.keep_largest(scores, 0.5).tolist() == [[True, True, True, False], [True, False, False, False]]
    assert prune.keep_largest(scores, 1e-9).sum() == 1 and prune.keep_largest(scores, 1.0).all()
    for bad in (0.0, 1.5, -1.0):
        with pytest.raises(InputError):
            prune.keep_largest(scores, bad)


def test_densities_by_number_list_and_name(dense_net):
    net, _ = dense_net
    assert prune.named_densities(net, 0.1) == {"dense1.w": 0.1, "dense2.w": 0.1, "dense3.w": 0.1}
    assert prune.named_densities(net, [0.1, 0.2, 0.3])["dense3.w"] == 0.3
    assert prune.named_densities(net, {"dense2": 0.2}) == {"dense1.w": 1.0, "dense2.w": 0.2, "dense3.w": 1.0}
    for bad in ([0.1], {"nope": 0.1}):
        with pytest.raises(InputError):
            prune.named_densities(net, bad)


def test_sensitivity_rises_as_density_falls_and_picks_densities(dense_net, digits):
    net, weights = dense_net
    samples = Samples(digits.inputs("test"), digits.labels("test"))
    table = prune.sensitivity(net, weights, samples, (0.02, 0.3, 1.0))
    base = net.error_percent(weights, samples)
    for errors in table.values():
        assert errors[2] == base and errors[0] > base + 5
    chosen = prune.densities_within(table, (0.02, 0.3, 1.0), 0.0)
    assert all(value > 0.02 for value in chosen.values())
    assert set(prune.densities_within(table, (0.02, 0.3, 1.0), 100.0).values()) == {0.02}


@pytest.mark.parametrize("which", ["dense_net", "conv_net"])
def test_hessian_diagonal_is_that_of_gauss_newton(which, digits, request):
    """Against J^T H J with the Jacobian by finite differences, on a few weights."""
    net, weights = request.getfixturevalue(which)
    x = digits.inputs("train")[:7]
    diagonal = curvature.hessian_diagonal(net, weights, x)
    wide = {name: value.astype(np.float64) for name, value in weights.items()}
    chance = softmax(net.forward(wide, net.shaped(x).astype(np.float64)).logits)
    generator = np.random.default_rng(0)
    for name, values in diagonal.items():
        for _ in range(3):
            spot = tuple(generator.integers(0, extent) for extent in values.shape)
            sides = []
            for step in (1e-5, -1e-5):
                moved = wide[name].copy()
                moved[spot] += step
                sides.append(net.forward({**wide, name: moved}, net.shaped(x).astype(np.float64)).logits)
            slope = (sides[0] - sides[1]) / 2e-5
            exact = (chance * slope**2).sum(1) - (chance * slope).sum(1) ** 2
            assert values[spot] == pytest.approx(exact.mean(), rel=1e-3, abs=1e-7)


def test_saliency_prunes_better_than_magnitude_without_retraining(dense_net, digits):
    net, weights = dense_net
    scores = curvature.saliency(weights, curvature.hessian_diagonal(net, weights, digits.inputs()[:300]))
    densities = prune.named_densities(net, 0.2)
    by_size = _error(net, prune.prune_once(weights, densities), digits)
    by_saliency = _error(net, prune.prune_once(weights, densities, scores), digits)
    assert by_saliency < by_size


def test_gradual_pruning_meets_its_densities_and_beats_pruning_at_once(conv_net, digits):
    net, weights = conv_net
    densities = prune.named_densities(net, [0.6, 0.4, 0.25, 0.5])
    once = prune.prune_once(weights, densities)
    samples = Samples(digits.inputs(), digits.labels())
    gradual = prune.prune(net, weights, samples, densities, Recipe(epochs=20, batch=32, rate=5e-3))
    for name, density in densities.items():
        assert np.count_nonzero(gradual[name]) == round(density * gradual[name].size)
    assert _error(net, gradual, digits) < min(_error(net, once, digits) - 5, 6.0)
    again = prune.retrain(net, gradual, samples, Recipe(epochs=1, batch=32, decay=1e-4))
    assert all(np.array_equal(again[name] != 0, gradual[name] != 0) for name in densities)


def test_spliced_weights_return_while_the_masks_are_free():
    splicing = prune.Splicing({"w": 0.5}, ramp=0.1, settle=0.5, every=1)
    trained = {"w": np.array([4.0, 3.0, 2.0, 1.0], np.float32)}
    splicing.before_step(trained, 0.2)
    assert splicing.effective(trained)["w"].tolist() == [4, 3, 0, 0]
    grad = {"w": np.ones(4, np.float32)}
    assert splicing.pull_back(trained, grad)["w"].tolist() == [1, 1, 1, 1]
    trained["w"][3] = 5
    splicing.before_step(trained, 0.5)
    assert splicing.effective(trained)["w"].tolist() == [4, 0, 0, 5]
    assert splicing.pull_back(trained, grad)["w"].tolist() == [1, 0, 0, 1]
    trained["w"][1] = 9
    splicing.before_step(trained, 0.9)
    assert splicing.effective(trained)["w"].tolist() == [4, 0, 0, 5]
