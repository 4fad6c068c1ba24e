# SPDX-License-Identifier: Apache-2.0
"""Networks by name. Images are CHW; parameter counts without running statistics unless stated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tercet.errors import InputError
from tercet.model.builder import Builder, mlp
from tercet.model.graph import Model


def demo() -> Model:
    """The MLP of `tercet demo`: handwritten digits of 8x8, six hidden layers of 48."""
    return mlp("demo", [64, 48, 48, 48, 48, 48, 48, 10])


def lenet_300_100() -> Model:
    """LeNet-300-100 (LeCun et al., 1998): 266,610 parameters."""
    return mlp("lenet-300-100", [784, 300, 100, 10])


def lenet_28() -> Model:
    """A LeNet without padding for digits of 28x28 that trains in 176 KiB: 5,142 parameters."""
    net = Builder("lenet-28", (1, 28, 28))
    net.conv(6, 5).relu().max_pool(2).conv(16, 5).relu().max_pool(2)
    return net.flatten().dense(10, init="glorot").model()


def lenet_5() -> Model:
    """LeNet-5 (LeCun et al., 1998) with full connections between maps: 61,706 parameters."""
    net = Builder("lenet-5", (1, 28, 28))
    net.conv(6, 5, padding=2).activation("tanh").average_pool(2).conv(16, 5).activation("tanh").average_pool(2)
    net.flatten().dense(120, init="glorot").activation("tanh").dense(84, init="glorot").activation("tanh")
    return net.dense(10, init="glorot").model()


def lenet_5_caffe() -> Model:
    """LeNet-5 as Caffe's examples have it: 431,080 parameters."""
    net = Builder("lenet-5-caffe", (1, 28, 28))
    net.conv(20, 5).max_pool(2).conv(50, 5).max_pool(2)
    return net.flatten().dense(500).relu().dense(10, init="glorot").model()


def resnet_8() -> Model:
    """MLPerf Tiny image classification: ResNet-8 for CIFAR-10, 78,666 numbers with running statistics."""
    net = Builder("resnet-8", (3, 32, 32))
    net.conv(16, 3, padding="same").batch_norm().relu()
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        source = net.at
        net.conv(channels, 3, stride=stride, padding="same").batch_norm().relu()
        branch = net.conv(channels, 3, padding="same").batch_norm().at
        net.at = source
        if stride > 1:
            net.conv(channels, 1, stride=stride)
        net.add(branch).relu()
    return net.global_average_pool().dense(10, init="glorot").model()


def ds_cnn() -> Model:
    """MLPerf Tiny keyword spotting: depthwise-separable CNN on 49x10 cepstral coefficients, 12 words."""
    net = Builder("ds-cnn", (1, 49, 10))
    net.conv(64, (10, 4), stride=2, padding="same").batch_norm().relu().dropout(0.2)
    for _ in range(4):
        net.depthwise(3, padding="same").batch_norm().relu().conv(64, 1).batch_norm().relu()
    return net.dropout(0.4).global_average_pool().dense(12, init="glorot").model()


def mobilenet_025() -> Model:
    """MLPerf Tiny person detection: MobileNetV1 of a quarter of the width on 96x96 images, 2 classes."""
    net = Builder("mobilenet-0.25", (3, 96, 96))
    net.conv(8, 3, stride=2, padding="same", bias=False).batch_norm().relu()
    plan = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1))
    for channels, stride in plan:
        net.depthwise(3, stride=stride, padding="same", bias=False).batch_norm().relu()
        net.conv(channels, 1, bias=False).batch_norm().relu()
    return net.global_average_pool().dense(2, init="glorot").model()


def anomaly_autoencoder() -> Model:
    """MLPerf Tiny anomaly detection: autoencoder of 640 spectral values; train it with mean_squared_error."""
    net = Builder("anomaly-autoencoder", (640,))
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.dense(width).batch_norm().relu()
    return net.dense(640, init="glorot").model()


def vgg_16(small: bool) -> Model:
    """VGG16 (Simonyan and Zisserman, 2015): 138,357,544 parameters; for CIFAR-10 with one dense layer 14,719,818."""
    net = Builder("vgg16-cifar" if small else "vgg16", (3, 32, 32) if small else (3, 224, 224))
    for channels, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            net.conv(channels, 3, padding=1).relu()
        net.max_pool(2)
    net.flatten()
    if not small:
        net.dense(4096).relu().dropout(0.5).dense(4096).relu().dropout(0.5)
    return net.dense(10 if small else 1000, init="glorot").model()


def _stem(name: str, small: bool) -> Builder:
    net = Builder(f"{name}-cifar" if small else name, (3, 32, 32) if small else (3, 224, 224))
    if small:
        return net.conv(64, 3, padding=1, bias=False).batch_norm().relu()
    return net.conv(64, 7, stride=2, padding=3, bias=False).batch_norm().relu().max_pool(3, stride=2, padding=1)


def _joined(net: Builder, source: str, channels: int, stride: int) -> None:
    """Adds the value before the block, projected where its shape differs."""
    branch, net.at = net.at, source
    if stride > 1 or net.shape[0] != channels:
        net.conv(channels, 1, stride=stride, bias=False).batch_norm()
    skip, net.at = net.at, branch
    net.add(skip).relu()


def resnet_18(small: bool) -> Model:
    """ResNet-18 (He et al., 2016): 11,689,512 parameters; for CIFAR-10 11,173,962."""
    net = _stem("resnet18", small)
    for channels, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            source = net.at
            net.conv(channels, 3, stride=stride, padding=1, bias=False).batch_norm().relu()
            net.conv(channels, 3, padding=1, bias=False).batch_norm()
            _joined(net, source, channels, stride)
    return net.global_average_pool().dense(10 if small else 1000, init="glorot").model()


def resnet_50(small: bool) -> Model:
    """ResNet-50 (He et al., 2016; stride in the 3x3 convolution): 25,557,032 parameters; for CIFAR-10 23,520,842."""
    net = _stem("resnet50", small)
    for channels, depth, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for stride in (first, *[1] * (depth - 1)):
            source = net.at
            net.conv(channels, 1, bias=False).batch_norm().relu()
            net.conv(channels, 3, stride=stride, padding=1, bias=False).batch_norm().relu()
            net.conv(4 * channels, 1, bias=False).batch_norm()
            _joined(net, source, 4 * channels, stride)
    return net.global_average_pool().dense(10 if small else 1000, init="glorot").model()


def transformer() -> Model:
    """A small causal transformer over 64 characters of 96, width 64, two pre-norm layers."""
    net = Builder("transformer", (64,), input_dtype="u16")
    net.embedding(96, 64).position()
    for _ in range(2):
        source = net.at
        source = net.layer_norm().attention(4, causal=True).add(source).at
        net.layer_norm().dense(256).activation("gelu").dense(64, init="glorot").add(source)
    return net.layer_norm().dense(96, init="glorot").model()


def bert_base() -> Model:
    """BERT-base (Devlin et al., 2019) on 128 tokens with a classifier of two classes; without segment embeddings."""
    net = Builder("bert-base", (128,), input_dtype="u16")
    net.embedding(30522, 768).position().layer_norm(epsilon=1e-12).dropout(0.1)
    for _ in range(12):
        source = net.at
        source = net.attention(12).dropout(0.1).add(source).layer_norm(epsilon=1e-12).at
        net.dense(3072, init="normal").activation("gelu").dense(768, init="normal").dropout(0.1)
        net.add(source).layer_norm(epsilon=1e-12)
    return net.first_token().dense(768, init="normal").activation("tanh").dense(2, init="normal").model()


ZOO: dict[str, Callable[[], Model]] = {
    "demo": demo,
    "lenet-28": lenet_28,
    "lenet-300-100": lenet_300_100,
    "lenet-5": lenet_5,
    "lenet-5-caffe": lenet_5_caffe,
    "resnet-8": resnet_8,
    "ds-cnn": ds_cnn,
    "mobilenet-0.25": mobilenet_025,
    "anomaly-autoencoder": anomaly_autoencoder,
    "vgg16": partial(vgg_16, False),
    "vgg16-cifar": partial(vgg_16, True),
    "resnet18": partial(resnet_18, False),
    "resnet18-cifar": partial(resnet_18, True),
    "resnet50": partial(resnet_50, False),
    "resnet50-cifar": partial(resnet_50, True),
    "transformer": transformer,
    "bert-base": bert_base,
}
# What a network is trained with where that is not softmax cross-entropy.
LOSS = {"anomaly-autoencoder": "mean_squared_error"}


def build(name: str) -> Model:
    """The network of that name; raises InputError that lists them."""
    if name not in ZOO:
        raise InputError(f"no network is called {name!r}", hint=", ".join(ZOO))
    return ZOO[name]()
