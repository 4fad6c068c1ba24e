# SPDX-License-Identifier: Apache-2.0
"""The trainer: gradients against torch, constraints, determinism, refused shapes."""

import numpy as np
import pytest
from tercet.compress import finetune
from tercet.compress.finetune import Recipe, shifted, teacher_of, train
from tercet.compress.network import Network, Samples, macs
from tercet.datasets import load
from tercet.errors import InputError
from tercet.model import Builder, initialise


def _every_operator():
    net = Builder("all", (2, 9, 9))
    net.conv(4, 3, stride=2, padding=1).batch_norm().activation("leaky_relu", alpha=0.1)
    skip = net.at
    net.depthwise(3, padding="same").activation("tanh").add(skip).max_pool(2, stride=1)
    net.average_pool(2, padding=1).conv(6, 1).activation("sigmoid").global_average_pool().dense(5).activation("relu6")
    return net.dense(3).model()


def _signal():
    net = Builder("signal", (2, 12)).conv(4, 3, padding=1).relu()
    left = net.at
    net.conv(4, 3, padding="same").activation("sigmoid").layer("multiply", left).concat(left).max_pool(2)
    return net.average_pool(2).flatten().dense(3).model()


@pytest.mark.parametrize("make", [_every_operator, _signal])
def test_gradients_are_the_slopes_of_the_loss(make):
    """Central differences in double precision along random directions of every parameter."""
    model = make()
    network = Network(model)
    generator = np.random.default_rng(3)
    weights = {k: v + 0.1 * generator.standard_normal(v.shape) for k, v in initialise(model, 1).items()}
    weights = {k: np.abs(v) + 0.5 if "variance" in k else v for k, v in weights.items()}
    x = generator.standard_normal((4, *model.input_shape))
    probe = generator.standard_normal((4, 3))
    grads = network.backward(weights, network.forward(weights, x), probe)
    trained = {name for name, parameter in model.parameters.items() if parameter.trainable}
    assert set(grads) == trained
    for name in trained:
        direction = generator.standard_normal(weights[name].shape)
        step = 1e-5
        sides = [
            (network.forward({**weights, name: weights[name] + sign * step * direction}, x).logits * probe).sum()
            for sign in (1, -1)
        ]
        slope = (sides[0] - sides[1]) / (2 * step)
        assert slope == pytest.approx(float((grads[name] * direction).sum()), rel=2e-3, abs=2e-4), name


def _digits_model():
    return Builder("d", (1, 8, 8)).flatten().dense(32).relu().dense(10).model()


def test_long_training_says_how_far_it_is(monkeypatch, caplog):
    data, model = load("digits"), _digits_model()
    monkeypatch.setattr(finetune, "PROGRESS_S", 0.0)
    with caplog.at_level("INFO", "tercet"):
        train(Network(model), initialise(model), Samples(data.inputs()[:50], data.labels()[:50]), Recipe(epochs=2))
    assert caplog.messages[-1] == "trained 1 of 2 epochs"


def test_training_learns_digits_and_repeats_exactly():
    data, model = load("digits"), _digits_model()
    network = Network(model)
    recipe = Recipe(epochs=15, batch=32, rate=1e-2)
    first = train(network, initialise(model, 0), Samples(data.inputs(), data.labels()), recipe)
    again = train(network, initialise(model, 0), Samples(data.inputs(), data.labels()), recipe)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert network.error_percent(first, Samples(data.inputs("test"), data.labels("test"))) < 5.0


def test_distillation_pulls_towards_the_teacher():
    data, model = load("digits"), _digits_model()
    network = Network(model)
    teacher = train(network, initialise(model, 0), Samples(data.inputs(), data.labels()), Recipe(epochs=15, batch=32, rate=1e-2))
    wrong = (data.labels() + 1) % 10
    recipe = Recipe(epochs=15, batch=32, rate=1e-2, blend=1.0)
    taught = train(network, initialise(model, 1), Samples(data.inputs(), wrong), recipe, teacher=teacher_of(network, teacher))
    assert network.error_percent(taught, Samples(data.inputs("test"), data.labels("test"))) < 15.0


def test_frozen_parameters_stay():
    data, model = load("digits"), _digits_model()
    weights = initialise(model, 0)
    trained = train(Network(model), weights, Samples(data.inputs(), data.labels()), Recipe(epochs=1), frozen={"dense1.w"})
    assert np.array_equal(trained["dense1.w"], weights["dense1.w"])
    assert not np.array_equal(trained["dense2.w"], weights["dense2.w"])


def test_shifted_images_move_and_lose_only_their_border():
    images = np.zeros((200, 1, 5, 5), np.float32)
    images[:, 0, 2, 2] = 1
    moved = shifted(images, 1, np.random.default_rng(0))
    assert np.all(moved.sum((1, 2, 3)) == 1)
    assert len({tuple(np.argwhere(image[0])[0]) for image in moved}) == 9


def test_samples_of_the_wrong_shape_are_refused():
    model = _digits_model()
    with pytest.raises(InputError, match=r"\[1, 8, 8\]"):
        Network(model).logits(initialise(model), np.zeros((3, 63)))
    with pytest.raises(InputError, match="labels"):
        Network(model).error_percent(initialise(model), Samples(np.zeros((3, 64)), np.zeros(2)))


def test_unknown_layers_are_refused_by_name():
    with pytest.raises(InputError, match="softmax"):
        Network(Builder("s", (4,)).dense(2).layer("softmax").model())


def test_macs():
    model = Builder("c", (1, 28, 28)).conv(20, 5).max_pool(2).flatten().dense(10).model()
    assert list(macs(model).values()) == [24 * 24 * 20 * 25, 12 * 12 * 20 * 10]
