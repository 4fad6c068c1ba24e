# SPDX-License-Identifier: Apache-2.0
"""Structured pruning: channels really disappear, with everything that belongs to them."""

import numpy as np
import pytest
from tercet.compress import prune, structured
from tercet.compress.finetune import Recipe, train
from tercet.compress.network import Network, Samples, macs
from tercet.errors import InputError
from tercet.model import Builder, initialise


def _net():
    net = Builder("s", (2, 8, 8)).conv(6, 3, padding=1).batch_norm().relu().max_pool(2).conv(5, 3).relu()
    return net.flatten().dense(9).relu().dense(3).model()


def test_removing_silent_channels_changes_nothing():
    model = _net()
    weights = initialise(model, 3)
    generator = np.random.default_rng(0)
    weights["batch_norm1.beta"] = generator.standard_normal(6).astype(np.float32)
    for name, index in (("conv2d2.w", [1, 4]), ("dense1.w", None)):
        if index:
            weights[name][:, index] = 0
    weights["dense1.w"].reshape(9, 5, 4)[:, 2] = 0
    weights["dense2.w"][:, [0, 8]] = 0
    keep = {"conv2d1": np.array([0, 2, 3, 5]), "conv2d2": np.array([0, 1, 3, 4]), "dense1": np.arange(1, 8)}
    small, less = structured.shrink(model, weights, keep)
    x = generator.standard_normal((4, 2, 8, 8)).astype(np.float32)
    assert np.allclose(Network(small).logits(less, x), Network(model).logits(weights, x), atol=1e-5)
    assert [less[n].shape for n in ("conv2d1.w", "batch_norm1.gamma", "conv2d2.w", "dense1.w", "dense2.w")] == [
        (4, 2, 3, 3), (4,), (4, 4, 3, 3), (7, 16), (3, 7)]  # fmt: skip
    assert sum(macs(small).values()) < sum(macs(model).values())


def test_channels_go_and_retraining_brings_the_accuracy_back(conv_net, digits):
    net, weights = conv_net
    samples = Samples(digits.inputs(), digits.labels())
    test = Samples(digits.inputs("test"), digits.labels("test"))
    small, less = structured.prune_channels(net.model, weights, {"conv2d1": 0.75, "conv2d2": 0.75, "dense1": 0.75})
    assert small.shapes()["conv2d1"][0] == 6 and small.parameter_count < 0.7 * net.model.parameter_count
    shrunk = Network(small)
    again = train(shrunk, less, samples, Recipe(epochs=10, batch=32, rate=3e-3))
    assert shrunk.error_percent(again, test) < shrunk.error_percent(less, test)
    assert shrunk.error_percent(again, test) < net.error_percent(weights, test) + 3


def test_sweep_drops_dead_neurons_and_keeps_every_logit(dense_net, digits):
    net, weights = dense_net
    thin = prune.prune_once(weights, prune.named_densities(net, 0.02))
    thin["dense1.b"] = np.minimum(thin["dense1.b"], 0)
    small, less = structured.sweep(net.model, thin)
    assert less["dense1.w"].shape[0] < 48
    assert np.array_equal(
        Network(small).logits(less, digits.inputs("test")).argmax(1), net.logits(thin, digits.inputs("test")).argmax(1)
    )


def test_refusals(conv_net):
    net, weights = conv_net
    for shares in ({"dense2": 0.5}, {"conv2d1": 0.0}, {"nothing": 0.5}):
        with pytest.raises(InputError):
            structured.prune_channels(net.model, weights, shares)
    builder = Builder("r", (4,)).dense(4)
    first = builder.at
    skip = builder.relu().dense(4).add(first).dense(2).model()
    assert "dense1" not in {layer.name for layer in structured.prunable(skip)}
