# SPDX-License-Identifier: Apache-2.0
"""The zoo's training graphs: gradients of those that fit against PyTorch's, work and edges of all."""

import pytest
from tercet.autodiff import inference_graph, training_graph
from tercet.autodiff.work import flops
from tercet.model import zoo

FITTING = (
    "demo", "lenet-28", "lenet-300-100", "lenet-5", "lenet-5-caffe", "resnet-8", "ds-cnn", "mobilenet-0.25",
    "anomaly-autoencoder", "transformer", "resnet18-cifar", "vgg16-cifar", "resnet50-cifar",
)  # fmt: skip


def loss_of(name):
    return zoo.LOSS.get(name, "softmax_cross_entropy")


@pytest.mark.parametrize("name", FITTING)
def test_gradients_equal_those_of_pytorch(compare, name):
    compare(zoo.build(name), batch=2, loss=loss_of(name))


@pytest.mark.parametrize("name", zoo.ZOO)
def test_every_network_yields_a_complete_training_graph(name):
    model = zoo.build(name)
    graph = training_graph(model, 2, loss_of(name))
    phases = {node.phase for node in graph.nodes}
    assert phases == {"input", "forward", "loss", "backward", "update"}
    updated = {tensor for node in graph.nodes for tensor in node.mutates}
    assert updated == set(model.parameters), "every weight and running statistic is updated"
    forward = sum(node.macs for node in graph.nodes if node.phase == "forward")
    rest = sum(node.macs for node in graph.nodes if node.phase in ("backward", "update"))
    assert forward < rest <= 2 * forward, "the backward pass takes twice the forward pass but for the first layer"
    assert all(flops(node.op, node.dims) >= 0 and node.workspace_bytes >= 0 for node in graph.nodes)
    inference, output = inference_graph(model, 2)
    assert inference.tensors[output].shape == (2, *model.output_shape)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("demo", 15_370), ("lenet-28", 5_142), ("lenet-300-100", 266_610), ("lenet-5", 61_706),
        ("lenet-5-caffe", 431_080), ("vgg16", 138_357_544), ("resnet18", 11_689_512), ("resnet50", 25_557_032),
        ("resnet18-cifar", 11_173_962), ("resnet50-cifar", 23_520_842), ("vgg16-cifar", 14_719_818),
    ],
)  # fmt: skip
def test_published_parameter_counts(name, parameters):
    assert zoo.build(name).parameter_count == parameters


@pytest.mark.parametrize(("name", "numbers"), [("resnet-8", 78_666), ("anomaly-autoencoder", 269_992), ("ds-cnn", 24_908)])
def test_published_counts_with_running_statistics(name, numbers):
    assert sum(parameter.count for parameter in zoo.build(name).parameters.values()) == numbers


def test_published_multiply_accumulates():
    """ResNet-18 1.814 G, ResNet-50 4.089 G and VGG16 15.47 G a sample, forward."""
    for name, expected in (("resnet18", 1.814e9), ("resnet50", 4.089e9), ("vgg16", 15.470e9)):
        graph, _ = inference_graph(zoo.build(name), 1)
        assert sum(node.macs for node in graph.nodes) == pytest.approx(expected, rel=1e-3)
