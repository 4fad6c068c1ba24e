# SPDX-License-Identifier: Apache-2.0
"""Trained digit classifiers that the tests of this folder share."""

import pytest
from tercet.compress.finetune import Recipe, train
from tercet.compress.network import Network, Samples
from tercet.datasets import load
from tercet.model import Builder, initialise


@pytest.fixture(scope="session")
def digits():
    return load("digits")


def _trained(model, digits, epochs):
    network = Network(model)
    recipe = Recipe(epochs=epochs, batch=32, rate=5e-3)
    return network, train(network, initialise(model, 0), Samples(digits.inputs(), digits.labels()), recipe)


@pytest.fixture(scope="session")
def dense_net(digits):
    """(network, weights) of 64-48-24-10."""
    model = Builder("dense", (1, 8, 8)).flatten().dense(48).relu().dense(24).relu().dense(10).model()
    return _trained(model, digits, 20)


@pytest.fixture(scope="session")
def conv_net(digits):
    """(network, weights) of two convolutions and two dense layers."""
    net = Builder("conv", (1, 8, 8)).conv(8, 3, padding=1).relu().max_pool(2).conv(12, 3).relu()
    return _trained(net.flatten().dense(24).relu().dense(10).model(), digits, 15)
