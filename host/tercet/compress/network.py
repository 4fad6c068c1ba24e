# SPDX-License-Identifier: Apache-2.0
"""A model that runs and differentiates: logits, values between layers, gradients of the weights, test error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tercet.compress.operators import ACTIVATION_KINDS, OPERATORS
from tercet.errors import InputError
from tercet.model.graph import INPUT, Layer, Model
from tercet.model.weights import Weights

CHUNK = 500  # samples at once where no gradient is needed: bounds the memory of a convolution's columns
Hook = Callable[[str, np.ndarray], np.ndarray]
Watch = Callable[[Layer, Any, np.ndarray], None]


class Samples(NamedTuple):
    """Inputs `[samples, ...]` and their class numbers."""

    x: np.ndarray
    labels: np.ndarray

    def checked(self, classes: int | None = None) -> Samples:
        """Itself with labels as int64; raises InputError when empty, of unequal lengths, or when a label is no class."""
        if len(self.x) == 0 or len(self.x) != len(self.labels):
            raise InputError(f"{len(self.x)} samples with {len(self.labels)} labels cannot be used")
        labels = np.asarray(self.labels)
        whole = labels.astype(np.int64)
        wrong = (whole != labels) | (whole < 0) | (whole >= (classes or np.inf))
        if labels.ndim != 1 or wrong.any():
            found = labels[wrong][0] if labels.ndim == 1 else f"of shape {list(labels.shape[1:])}"
            last = "up" if classes is None else f"to {classes - 1}"
            raise InputError(f"a label is {found}", hint=f"labels are class numbers from 0 {last}, one a sample")
        return Samples(self.x, whole)


@dataclass(frozen=True)
class Trace:
    """What a forward run leaves for the backward run."""

    logits: np.ndarray
    saved: dict[str, Any]


class Network:
    """A model bound to the operators of this package. Raises InputError for a layer that compression cannot run."""

    def __init__(self, model: Model) -> None:
        self.model = model
        for layer in model.layers:
            kind = layer.attrs.get("kind")
            if layer.op not in OPERATORS or (layer.op == "activation" and kind not in ACTIVATION_KINDS):
                raise InputError(
                    f"{model.name}: layer {layer.name}: compression does not know {kind or layer.op}",
                    hint=f"it knows {', '.join(OPERATORS)}; activations {', '.join(ACTIVATION_KINDS)}",
                )

    @property
    def classes(self) -> int:
        """How many classes the output tells apart."""
        return self.model.output_shape[-1]

    def shaped(self, x: np.ndarray) -> np.ndarray:
        """`x` as f32 `[samples, *input_shape]`; raises InputError when its samples have another size."""
        shape = self.model.input_shape
        if x.ndim < 2 or int(np.prod(x.shape[1:])) != int(np.prod(shape)):
            raise InputError(
                f"samples of shape {list(x.shape[1:])} do not fit {self.model.name}, whose input is {list(shape)}",
                hint="give an array [samples, ...] made for this model",
            )
        return np.ascontiguousarray(x, np.float32).reshape(len(x), *shape)

    def forward(self, weights: Weights, x: np.ndarray, hook: Hook | None = None) -> Trace:
        """Logits and what backward needs; `hook(value name, value)` may replace the input and each layer's value."""
        values = {INPUT: hook(INPUT, x) if hook else x}
        saved: dict[str, Any] = {}
        for layer in self.model.layers:
            parameters = _roles(layer, weights)
            inputs = [values[name] for name in layer.inputs]
            value, saved[layer.name] = OPERATORS[layer.op].forward(layer.attrs, inputs, parameters)
            values[layer.name] = hook(layer.name, value) if hook else value
        return Trace(values[self.model.output], saved)

    def backward(self, weights: Weights, trace: Trace, gradient: np.ndarray, watch: Watch | None = None) -> Weights:
        """Gradients of the parameters from that of the logits; `watch(layer, saved, gradient of its value)` looks
        on."""
        pending = {self.model.output: gradient}
        grads: Weights = {}
        first = next((at for at, layer in enumerate(self.model.layers) if layer.parameters), 0)
        for at in range(len(self.model.layers) - 1, first - 1, -1):
            layer = self.model.layers[at]
            if layer.name not in pending:
                continue
            parameters = _roles(layer, weights)
            operator = OPERATORS[layer.op]
            if watch:
                watch(layer, trace.saved[layer.name], pending[layer.name])
            arguments = (layer.attrs, trace.saved[layer.name], parameters, pending.pop(layer.name))
            for role, value in operator.to_parameters(*arguments).items():
                name = layer.parameters[role]
                grads[name] = grads[name] + value if name in grads else value
            if at > first:  # nothing is trained before the first layer with parameters
                for name, value in zip(layer.inputs, operator.to_inputs(*arguments), strict=True):
                    pending[name] = pending[name] + value if name in pending else value
        return grads

    def logits(self, weights: Weights, x: np.ndarray, hook: Hook | None = None) -> np.ndarray:
        """f32 `[samples, classes]`, computed in chunks."""
        x = self.shaped(x)
        parts = [self.forward(weights, x[at : at + CHUNK], hook).logits for at in range(0, len(x), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, *self.model.output_shape), np.float32)

    def values(self, weights: Weights, x: np.ndarray, names: set[str], hook: Hook | None = None) -> Weights:
        """The values called `names` over all samples, `INPUT` among them."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}

        def keep(name: str, value: np.ndarray) -> np.ndarray:
            value = hook(name, value) if hook else value
            if name in found:
                found[name].append(value)
            return value

        self.logits(weights, x, keep)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def error_percent(self, weights: Weights, samples: Samples, hook: Hook | None = None) -> float:
        """The samples whose largest logit is not at their label, in percent; raises InputError on no samples."""
        samples = samples.checked(self.classes)
        return 100.0 * float(np.mean(self.logits(weights, samples.x, hook).argmax(1) != samples.labels))


def _roles(layer: Layer, weights: Weights) -> Weights:
    return {role: weights[name] for role, name in layer.parameters.items()}


def weight_layers(model: Model) -> list[Layer]:
    """The dense and convolution layers in order: what the compression methods work on."""
    return [layer for layer in model.layers if layer.op in ("dense", "conv2d")]


def macs(model: Model) -> dict[str, int]:
    """Multiply-accumulates per sample of each dense and convolution layer."""
    shapes = model.shapes()
    counts = {}
    for layer in weight_layers(model):
        shape = model.parameters[layer.parameters["w"]].shape
        positions = shapes[layer.name][1:] if layer.op == "conv2d" else shapes[layer.name][:-1]
        counts[layer.name] = int(np.prod(shape)) * int(np.prod(positions))
    return counts
