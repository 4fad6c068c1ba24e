# SPDX-License-Identifier: Apache-2.0
"""Each operator's gradients against PyTorch's, and against finite differences."""

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.reference import Reference
from tercet.autodiff.rules import RULES
from tercet.model import Builder
from tercet.model.operators import OPERATORS


def image(channels=4, height=9, width=7):
    return Builder("t", (channels, height, width))


def signal():
    return Builder("t", (3, 17))


def end(net):
    return (net.flatten() if len(net.shape) > 1 else net).dense(5).model()


def first(net):
    """A convolution before the operator in question, so that its input's gradient is checked too."""
    return net.conv(4, 3, padding=1)


def branches(net):
    first(net)
    one = net.at
    net.conv(4, 1).relu()
    other = net.at
    return net, one, other


NETS = {
    "dense": lambda: end(Builder("t", (6,)).dense(7)),
    "dense-no-bias": lambda: end(Builder("t", (6,)).dense(7, bias=False)),
    "dense-rows": lambda: end(Builder("t", (5, 6)).dense(7).activation("tanh").dense(3)),
    "conv": lambda: end(first(image()).conv(5, 3)),
    "conv-stride-pad": lambda: end(first(image()).conv(5, (3, 2), stride=(2, 3), padding=(1, 0, 2, 1))),
    "conv-same-stride": lambda: end(first(image()).conv(5, 3, stride=2, padding="same", bias=False)),
    "conv-rest-unread": lambda: end(first(image()).conv(5, 2, stride=4)),
    "conv-groups": lambda: end(first(image()).conv(6, 3, groups=2)),
    "conv-multiplier": lambda: end(first(image()).conv(8, 3, groups=4)),
    "depthwise": lambda: end(first(image()).depthwise(3, padding=1).relu()),
    "depthwise-stride": lambda: end(first(image()).depthwise((3, 5), stride=2, padding="same")),
    "conv1d": lambda: end(signal().conv(4, 3).relu().conv(5, 4, stride=2, padding=1).max_pool(2)),
    "depthwise1d": lambda: end(signal().conv(4, 3).depthwise(3).average_pool(2)),
    "max-pool": lambda: end(first(image()).max_pool(2)),
    "max-pool-overlap": lambda: end(first(image()).max_pool(3, stride=2, padding=1)),
    "max-pool-relu": lambda: end(first(image()).relu().max_pool(2)),
    "max-pool-sigmoid": lambda: end(first(image()).activation("sigmoid").max_pool((3, 2))),
    "global-max-pool": lambda: end(first(image()).activation("tanh").global_max_pool()),
    "average-pool": lambda: end(first(image()).average_pool(2)),
    "average-pool-pad": lambda: end(first(image()).average_pool(3, stride=2, padding=1)),
    "average-pool-count": lambda: end(first(image()).average_pool(3, stride=2, padding=1, count_padding=True)),
    "global-average": lambda: end(first(image()).global_average_pool()),
    **{
        f"fused-{kind}": lambda kind=kind: end(first(image()).activation(kind))
        for kind in ("relu", "relu6", "tanh", "sigmoid", "leaky_relu", "gelu", "gelu_tanh")
    },
    **{
        f"plain-{kind}": lambda kind=kind: end(first(image()).group_norm(2).activation(kind))
        for kind in ("relu", "relu6", "tanh", "sigmoid", "leaky_relu", "gelu")
    },
    "scale": lambda: end(Builder("t", (6,)).dense(7).layer("scale", factor=0.3)),
    "position-image": lambda: end(first(image()).position()),
    "softmax": lambda: end(Builder("t", (6,)).dense(7).layer("softmax")),
    "reshape-transpose": lambda: end(first(image()).layer("transpose", axes=[1, 2, 0]).dense(3).reshape(7, 27)),
    "transpose-four": lambda: end(first(image()).reshape(2, 2, 9, 7).layer("transpose", axes=[1, 0, 2, 3]).dense(3)),
    "slice": lambda: end(first(image()).layer("slice", axis=0, first=1, width=2).dense(3)),
    "slice-width": lambda: end(first(image()).layer("slice", axis=2, first=2, width=5).dense(3)),
    "batch-norm": lambda: end(first(image()).batch_norm()),
    "batch-norm-relu": lambda: end(first(image()).batch_norm().relu().conv(3, 3)),
    "batch-norm-dense": lambda: end(Builder("t", (6,)).dense(7).batch_norm()),
    "group-norm": lambda: end(first(image()).group_norm(2)),
    "layer-norm": lambda: end(Builder("t", (5, 6)).dense(7).layer_norm()),
    "dropout": lambda: end(first(image()).dropout(0.3).relu().dropout(0.5)),
    "embedding": lambda: end(Builder("t", (8,), input_dtype="u16").embedding(11, 6).position().dense(3)),
    "first-token": lambda: Builder("t", (8,), input_dtype="u16").embedding(11, 6).first_token().dense(3).model(),
    "attention": lambda: end(Builder("t", (5, 6)).dense(8).attention(2)),
    "attention-causal": lambda: end(Builder("t", (5, 6)).dense(8).attention(4, causal=True)),
}


def _add(net, one, other):
    net.at = one
    return end(net.add(other))


def _relu_add(net, one, other):
    net.at = one
    return end(net.add(other).relu().conv(3, 3))


def _add_three(net, one, other):
    net.at = one
    third = net.conv(4, 1).at
    return end(net.layer("add", one, other, inputs=(third, one, other)))


def _twice(net, one, other):
    return end(net.layer("add", inputs=(other, other)))


def _multiply(net, one, other):
    return end(net.layer("multiply", inputs=(one, other)))


def _square(net, one, other):
    return end(net.layer("multiply", inputs=(one, one)))


def _concat(net, one, other):
    net.at = one
    net.conv(2, 1)
    return end(net.concat(other, one))


def _concat_width(net, one, other):
    return end(net.layer("concat", inputs=(one, other), axis=2))


def _fork_pool(net, one, other):
    """The pool is not the only reader of the fused activation: its derivative must not be applied twice."""
    pooled = net.max_pool(3, stride=1, padding=1).at
    net.at = other
    return end(net.conv(4, 1).add(pooled))


def _fork_flatten(net, one, other):
    net.at = other
    flat = net.flatten().at
    net.at = other
    deep = net.conv(4, 1).flatten().at
    return end(net.layer("add", inputs=(flat, deep)))


BRANCHES = {
    "add": _add,
    "add-relu": _relu_add,
    "add-three": _add_three,
    "add-twice": _twice,
    "multiply": _multiply,
    "square": _square,
    "concat": _concat,
    "concat-width": _concat_width,
    "fork-pool": _fork_pool,
    "fork-flatten": _fork_flatten,
}
NETS |= {name: lambda build=build: build(*branches(image())) for name, build in BRANCHES.items()}


def test_every_operator_of_a_model_is_checked():
    seen = {layer.op for build in NETS.values() for layer in build().layers}
    assert seen == set(OPERATORS) == set(RULES)


@pytest.mark.parametrize("name", NETS)
def test_gradients_equal_those_of_pytorch(compare, name):
    compare(NETS[name]())


@pytest.mark.parametrize("name", ["max-pool", "max-pool-relu", "max-pool-overlap", "global-max-pool"])
def test_pooling_that_keeps_its_input_has_the_same_gradients(compare, name):
    graph = compare(NETS[name](), pool_keeps="input")
    kept = any(node.op == "maxpool2d_backward_inplace" for node in graph.nodes)
    assert kept == (name != "max-pool-overlap")


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy"])
@pytest.mark.parametrize("last", ["none", "tanh"])
def test_losses_equal_those_of_pytorch(compare, loss, last):
    net = Builder("t", (6,)).dense(7).relu().dense(4)
    compare((net if last == "none" else net.activation(last)).model(), loss=loss)


@pytest.mark.parametrize("micro_batches", [2, 4])
def test_micro_batches_add_up_to_the_whole_batch(compare, micro_batches):
    graph = compare(NETS["add-relu"](), batch=4, micro_batches=micro_batches)
    assert sum(node.op == "read_input_rows" for node in graph.nodes) == micro_batches


@pytest.mark.parametrize("name", ["conv-groups", "batch-norm-relu", "attention", "max-pool-sigmoid", "embedding", "square"])
def test_gradients_equal_finite_differences(tools, name):
    """Central differences in double precision, along random directions of each parameter."""
    model, batch, step = NETS[name](), 2, 1e-6
    weights, (x, labels) = tools.weights(model), tools.data(model, batch, "softmax_cross_entropy")
    graph = training_graph(model, batch, optimizer={"name": "sgd", "rate": 1.0})

    def loss(changed):
        return Reference(graph, changed, dtype=np.float64).step(x, labels)[0] / batch

    run = Reference(graph, weights, dtype=np.float64)
    run.step(x, labels)
    after = weights | run.weights
    generator = np.random.default_rng(5)
    for parameter in (p for p in model.parameters.values() if p.trainable):
        direction = generator.standard_normal(parameter.shape)
        slope = ((weights[parameter.name] - after[parameter.name]) * direction).sum()
        up, down = (loss({**weights, parameter.name: weights[parameter.name] + sign * step * direction}) for sign in (1, -1))
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-8), parameter.name
