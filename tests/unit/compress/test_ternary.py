# SPDX-License-Identifier: Apache-2.0
"""Ternary weights: the published gradients, three values a layer, trained scales beat the fixed one."""

import numpy as np
import pytest
from tercet.compress import ternary
from tercet.compress.finetune import Recipe
from tercet.compress.network import Samples
from tercet.compress.packed import pack
from tercet.errors import InputError


def test_gradients_follow_the_paper():
    rule = ternary.Trained(["w"], threshold=0.25)
    trained = rule.start({"w": np.float32([2.0, 0.4, -0.6, -1.0, 0.1])})
    assert rule.effective(trained)["w"].tolist() == pytest.approx([2, 0, -0.8, -0.8, 0])
    trained["w+"][:], trained["w-"][:] = 3 / 2, 5 / rule.units["w-"]
    assert rule.effective(trained)["w"].tolist() == [3, 0, -5, -5, 0]
    grads = rule.pull_back(trained, {"w": np.float32([1, 2, 4, 8, 16])})
    assert grads["w+"].tolist() == [2 * 1] and grads["w-"].tolist() == pytest.approx([0.8 * -12])
    assert grads["w"].tolist() == [3, 2, 20, 40, 16]


@pytest.mark.parametrize("which", ["dense_net", "conv_net"])
def test_ternary_digits(which, digits, request):
    net, weights = request.getfixturevalue(which)
    train, test = (Samples(digits.inputs(part), digits.labels(part)) for part in ("train", "test"))
    recipe = Recipe(epochs=15, batch=32, rate=1e-2)
    found = ternary.ternary(net, weights, train, recipe, threshold=0.2)
    fixed = ternary.ternary(net, weights, train, recipe, trained_scales=False)
    for result in (found, fixed):
        for name, value in result.items():
            assert not name.endswith(".w") or len(np.unique(value)) <= 3
    assert list(found) == list(weights)
    base = net.error_percent(weights, test)
    assert net.error_percent(found, test) <= base + 4
    assert net.error_percent(found, test) <= net.error_percent(fixed, test) + 2
    assert len(pack(net.model, found)) < len(pack(net.model, weights)) / 5


def test_refusals(dense_net, digits):
    net, weights = dense_net
    with pytest.raises(InputError):
        ternary.Trained(["w"], threshold=1.5)
    with pytest.raises(InputError, match="dense1"):
        ternary.ternary(net, weights, Samples(digits.inputs(), digits.labels()), Recipe(), layers=["x"])
