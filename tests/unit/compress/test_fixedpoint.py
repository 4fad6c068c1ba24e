# SPDX-License-Identifier: Apache-2.0
"""Dynamic precision: lengths are the best, rounding is layer by layer, whole-number execution agrees with its simulation."""

import numpy as np
import pytest
from tercet.compress import compensate, fixedpoint
from tercet.compress.codebook import round_to
from tercet.compress.network import Samples
from tercet.compress.packed import integer
from tercet.errors import InputError
from tercet.model import Builder, initialise


def test_best_length_is_the_least_distance_of_all():
    values = np.random.default_rng(0).standard_normal(4000).astype(np.float32) ** 3
    for rule, measure in fixedpoint.RULES.items():
        costs = {f: measure(round_to(values, f, 8) - values) for f in range(-10, 20)}
        assert fixedpoint.best_length(values, values, 8, rule) == min(costs, key=costs.get)
    with pytest.raises(InputError):
        fixedpoint.best_length(values, values, 8, "l3")


@pytest.mark.parametrize("which", ["dense_net", "conv_net"])
def test_eight_bits_cost_next_to_nothing_and_static_more(which, digits, request):
    net, weights = request.getfixturevalue(which)
    test = Samples(digits.inputs("test"), digits.labels("test"))
    weights = dict(weights) | {net.model.layers[-1].parameters["w"]: weights[net.model.layers[-1].parameters["w"]] * 64}
    base = net.error_percent(weights, test)
    dynamic = fixedpoint.dynamic(net, weights, digits.inputs()[:200])
    assert abs(net.error_percent(dynamic.weights, test, dynamic.hook()) - base) <= 0.6
    static = fixedpoint.static(net, weights, digits.inputs()[:200])
    assert len(set(static.fractions.values())) == 1
    assert net.error_percent(static.weights, test, static.hook()) > base + 2


def test_four_bit_weights_per_channel_beat_per_layer(conv_net, digits):
    net, weights = conv_net
    generator = np.random.default_rng(0)
    scales = np.ldexp(1.0, generator.integers(-3, 3, 8)).astype(np.float32)
    uneven = dict(weights) | {
        "conv2d1.w": weights["conv2d1.w"] * scales[:, None, None, None],
        "conv2d1.b": weights["conv2d1.b"] * scales,
    }
    uneven["conv2d2.w"] = weights["conv2d2.w"] / scales[None, :, None, None]
    gaps = [
        sum(
            float(((fixedpoint.round_weights(net, uneven, 4, per_channel=each)[n] - uneven[n]) ** 2).sum())
            for n in ("conv2d1.w",)
        )
        for each in (False, True)
    ]
    assert gaps[1] < gaps[0] / 2


@pytest.mark.parametrize("which", ["dense_net", "conv_net"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_that_make_up_for_each_other_respond_closer(which, per_channel, digits, request):
    """Three bits: on samples not seen, the logits lie nearer to the exact ones, and the weights on their grids."""
    net, weights = request.getfixturevalue(which)
    x, unseen = digits.inputs()[:600], digits.inputs("test")
    exact = net.logits(weights, unseen)
    plain, better = (fixedpoint.round_weights(net, weights, 3, per_channel=per_channel, x=on) for on in (None, x))
    distances = [float(((net.logits(found, unseen) - exact) ** 2).mean()) for found in (plain, better)]
    assert distances[1] < 0.8 * distances[0]
    for name in ("dense1.w", "dense2.w"):
        for part in better[name] if per_channel else [better[name]]:
            assert len(np.unique(part)) <= 8


def test_a_single_rounding_error_is_spread_as_least_squares_would():
    """With one input rounded, what the others take over is the least-squares solution for them."""
    generator = np.random.default_rng(1)
    x, w = generator.standard_normal((50, 4)), generator.standard_normal((3, 4))
    hessian = x.T @ x
    first = int(np.argmax(np.diag(hessian)))
    calls = []

    def only_the_first(column):
        calls.append(column)
        return np.round(column) if len(calls) == 1 else column

    found = compensate.rounded(w, hessian, only_the_first)
    rest = [at for at in range(4) if at != first]
    error = x[:, [first]] * (w[:, first] - np.round(w[:, first]))
    expected = w[:, rest] + np.linalg.lstsq(x[:, rest], error, rcond=None)[0].T
    assert np.allclose(found[:, rest], expected) and np.array_equal(found[:, first], np.round(w[:, first]))


def test_maps_are_the_stored_values_only(conv_net):
    net, _ = conv_net
    assert fixedpoint.map_names(net.model) == ["input", "activation1", "activation2", "activation3"]


@pytest.mark.parametrize("which", ["dense_net", "conv_net"])
def test_whole_numbers_give_the_simulated_logits(which, digits, request):
    """Simulation in f32 and integer execution differ only where a value lies exactly between two grid points."""
    net, weights = request.getfixturevalue(which)
    point = fixedpoint.dynamic(net, weights, digits.inputs()[:200])
    whole = integer.lower(net.model, point.weights, point.fractions, 16)
    simulated = net.logits(point.weights, digits.inputs("test"), point.hook()).argmax(1)
    found = whole.labels(digits.test_x)
    assert np.mean(found != simulated) <= 0.01
    assert (
        100 * np.mean(found != digits.labels("test"))
        <= net.error_percent(weights, Samples(digits.inputs("test"), digits.labels("test"))) + 0.9
    )


def test_requantise_rounds_halves_up_and_saturates():
    total = np.array([-5, -3, -1, 1, 3, 5, 1000, -1000], np.int32)
    assert integer.requantise(total, 1, -128).tolist() == [-2, -1, 0, 1, 2, 3, 127, -128]
    assert integer.requantise(total, -2, 0).tolist() == [0, 0, 0, 4, 12, 20, 127, 0]


def test_refusals(dense_net, digits):
    net, weights = dense_net
    with pytest.raises(InputError, match="no samples"):
        fixedpoint.dynamic(net, weights, digits.inputs()[:0])
    with pytest.raises(InputError, match=r"\[1, 8, 8\]"):
        fixedpoint.dynamic(net, weights, np.zeros((10, 63), np.float32))
    with pytest.raises(InputError):
        fixedpoint.round_weights(net, weights, 1)
    with pytest.raises(InputError, match="8 bits"):
        integer.lower(net.model, weights, {"input": 7, "activation1": 5, "activation2": 5}, 16)
    point = fixedpoint.dynamic(net, weights, digits.inputs()[:50])
    tanh = Builder("t", (1, 8, 8)).flatten().dense(4).activation("tanh").dense(2).model()
    with pytest.raises(InputError, match="ReLU only"):
        integer.lower(tanh, initialise(tanh), {"input": 7}, 16)
    with pytest.raises(InputError, match="no fractional length"):
        integer.lower(net.model, point.weights, {"input": 7}, 16)
