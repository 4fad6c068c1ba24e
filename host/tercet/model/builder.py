# SPDX-License-Identifier: Apache-2.0
"""Networks written in Python: a `Builder` that appends layers one after another, and `mlp` for the plainest case.

    net = Builder("lenet-28", (1, 28, 28))
    net.conv(6, 5).relu().max_pool(2).conv(16, 5).relu().max_pool(2).flatten().dense(10)
    model = net.model()

Every call works on the value of the call before, `net.at`; remember it to come back (`skip = net.at`, `net.add(skip)`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tercet.errors import InputError
from tercet.model.graph import INPUT, Layer, Model, Parameter, check
from tercet.model.operators import OPERATORS, Shape, as_image, infer

Pair = int | tuple[int, int]


class Builder:
    """A network under construction. `input_dtype` is `f32`, or `u16` for token numbers."""

    def __init__(self, name: str, input_shape: Shape, *, input_dtype: str = "f32") -> None:
        self.name = name
        self.input_shape = tuple(input_shape)
        self.input_dtype = input_dtype
        self.at = INPUT
        self.layers: list[Layer] = []
        self.parameters: dict[str, Parameter] = {}
        self.shapes: dict[str, Shape] = {INPUT: self.input_shape}

    @property
    def shape(self) -> Shape:
        """The shape of the value that the next layer will read."""
        return self.shapes[self.at]

    def layer(self, op: str, *others: str, name: str = "", inputs: tuple[str, ...] = (), **attrs: Any) -> Builder:
        """Appends any operator of the table; its first input is `at` unless `inputs` are given."""
        inputs = inputs or (self.at, *others)
        unknown = [value for value in inputs if value not in self.shapes]
        if unknown:
            raise InputError(f"{self.name}: no value is called {unknown[0]!r}", hint=", ".join(self.shapes))
        name = name or f"{op}{sum(layer.op == op for layer in self.layers) + 1}"
        found = [self.shapes[value] for value in inputs]
        shape = infer(op, f"{self.name}: {name}", attrs, found)
        if name in self.shapes:
            raise InputError(f"{self.name}: two layers are called {name!r}")
        parameters = {}
        for role, (extent, init) in OPERATORS[op].parameters(attrs, found).items():
            parameters[role] = f"{name}.{role}"
            trainable = not role.startswith("running_")
            self.parameters[parameters[role]] = Parameter(parameters[role], extent, init, trainable)
        self.layers.append(Layer(name, op, inputs, attrs, parameters))
        self.shapes[name] = shape
        self.at = name
        return self

    def model(self) -> Model:
        """The finished network; raises InputError when it is empty or does not fit together."""
        if not self.layers:
            raise InputError(f"{self.name}: the network has no layer")
        model = Model(self.name, self.input_shape, tuple(self.layers), dict(self.parameters), self.input_dtype)
        check(model, self.name)
        return model

    def dense(self, units: int, *, bias: bool = True, name: str = "", **attrs: Any) -> Builder:
        """A fully connected layer over the last axis, weights [units, inputs]."""
        return self.layer("dense", name=name, units=units, bias=bias, **attrs)

    def conv(
        self,
        channels: int,
        kernel: Pair,
        *,
        stride: Pair = 1,
        padding: int | str | tuple[int, int, int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        name: str = "",
    ) -> Builder:
        """A convolution; padding is one number, (top, left, bottom, right) or `same`."""
        attrs: dict[str, Any] = self._window(kernel, stride, padding)
        attrs |= {"channels": channels, "groups": groups, "bias": bias}
        return self.layer("conv2d", name=name, **attrs)

    def depthwise(self, kernel: Pair, *, stride: Pair = 1, padding: int | str = 0, bias: bool = True) -> Builder:
        """A convolution of each channel by itself."""
        channels = self.shape[0]
        return self.conv(channels, kernel, stride=stride, padding=padding, groups=channels, bias=bias)

    def max_pool(self, kernel: Pair, *, stride: Pair | None = None, padding: int | str = 0) -> Builder:
        """The maximum of each window; the stride is the window's size unless given."""
        attrs: dict[str, Any] = self._window(kernel, kernel if stride is None else stride, padding)
        return self.layer("max_pool", **attrs)

    def average_pool(
        self, kernel: Pair, *, stride: Pair | None = None, padding: int | str = 0, count_padding: bool = False
    ) -> Builder:
        """The mean of each window; padding counts as zeros only with `count_padding`."""
        attrs: dict[str, Any] = self._window(kernel, kernel if stride is None else stride, padding)
        return self.layer("average_pool", count_padding=count_padding, **attrs)

    def global_average_pool(self) -> Builder:
        """The mean of each channel."""
        return self.layer("global_average_pool")

    def global_max_pool(self) -> Builder:
        """The maximum of each channel."""
        _, height, width = as_image(self.shape)
        return self.max_pool((height, width)).flatten()

    def activation(self, kind: str, *, alpha: float = 0.01) -> Builder:
        """An element-wise function: relu relu6 leaky_relu tanh sigmoid gelu gelu_tanh."""
        extra: dict[str, Any] = {"alpha": alpha} if kind == "leaky_relu" else {}
        return self.layer("activation", kind=kind, **extra)

    def relu(self) -> Builder:
        """max(0, x)."""
        return self.activation("relu")

    def add(self, other: str) -> Builder:
        """The sum with another value of the same shape."""
        return self.layer("add", other)

    def concat(self, *others: str, axis: int = 0) -> Builder:
        """The values joined along an axis (0 = channels)."""
        return self.layer("concat", *others, axis=axis)

    def flatten(self) -> Builder:
        """The same numbers as one axis."""
        return self.layer("flatten")

    def reshape(self, *shape: int) -> Builder:
        """The same numbers in another shape."""
        return self.layer("reshape", shape=list(shape))

    def dropout(self, drop: float) -> Builder:
        """Zeroes a share `drop` of the elements while training; recomputation gives the same mask."""
        stream = sum(layer.op == "dropout" for layer in self.layers)
        return self.layer("dropout", drop=drop, stream=stream)

    def batch_norm(self, *, epsilon: float = 1e-5, keep: float = 0.9) -> Builder:
        """Batch normalisation per channel; `keep` is the share of the running statistics kept at a step."""
        return self.layer("batch_norm", epsilon=epsilon, keep=keep)

    def layer_norm(self, *, epsilon: float = 1e-5) -> Builder:
        """Normalisation over the last axis."""
        return self.layer("layer_norm", epsilon=epsilon)

    def group_norm(self, groups: int, *, epsilon: float = 1e-5) -> Builder:
        """Normalisation over groups of channels."""
        return self.layer("group_norm", groups=groups, epsilon=epsilon)

    def embedding(self, vocabulary: int, width: int) -> Builder:
        """A row of a table [vocabulary, width] for each token."""
        return self.layer("embedding", vocabulary=vocabulary, width=width)

    def position(self) -> Builder:
        """Adds a learned vector to each position."""
        return self.layer("position")

    def first_token(self) -> Builder:
        """The vector of the first position."""
        return self.layer("slice", axis=0, first=0, width=1).reshape(*self.shape[1:])

    def attention(self, heads: int, *, causal: bool = False) -> Builder:
        """Multi-head self-attention over (tokens, width), with projections of query, key, value and output."""
        source, width = self.at, self.shape[-1]
        projected = [self.layer("dense", inputs=(source,), units=width, bias=True, init="glorot").at for _ in range(3)]
        self.layer("attention_scores", inputs=(projected[0], projected[1]), heads=heads, causal=causal)
        self.layer("attention_mix", projected[2], heads=heads)
        return self.dense(width, init="glorot")

    def _window(self, kernel: Pair, stride: Pair, padding: Any) -> dict[str, list[int]]:
        signal = len(self.shape) == 2
        size, step = _pair(kernel, signal, 1), _pair(stride, signal, 1)
        if padding == "same":
            _, height, width = as_image(self.shape)
            total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip((height, width), size, step, strict=True)]
            pad = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
        elif isinstance(padding, int):
            pad = [0, padding, 0, padding] if signal else [padding] * 4
        else:
            pad = list(padding)
        return {"kernel": size, "stride": step, "pad": pad}


def _pair(value: Pair, signal: bool, height: int) -> list[int]:
    if isinstance(value, int):
        return [height, value] if signal else [value, value]
    return list(value)


def mlp(name: str, widths: Sequence[int], activation: str = "relu") -> Model:
    """A network of dense layers, `widths` from the input to the logits, with `activation` between them."""
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"{name}: an MLP needs two positive widths at least, found {list(widths)}")
    net = Builder(name, (widths[0],))
    for width in widths[1:-1]:
        net.dense(width, init="he" if activation.startswith("relu") else "glorot").activation(activation)
    return net.dense(widths[-1], init="glorot").model()
