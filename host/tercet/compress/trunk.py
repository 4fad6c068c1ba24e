# SPDX-License-Identifier: Apache-2.0
"""A compressed network as the start of training on the board: its trunk stays compressed, its last layers are trained.

The trunk runs in whole numbers and turns a data set into features of 8 bits, once (`tercet_device.trunk`, or `features`
here with the same bits); the head is an ordinary model of floats that trains on them. To train everything instead,
unpack the network: a compressed file opens like any other model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tercet.compress.network import weight_layers
from tercet.compress.packed import integer, pack
from tercet.compress.packed.execution import Execution
from tercet.errors import InputError
from tercet.model.graph import INPUT, Model
from tercet.model.weights import Weights


@dataclass(frozen=True)
class Split:
    """The trunk's compressed file, and the head's model and weights; a feature is worth `scale`."""

    trunk: Model
    trunk_weights: Weights
    execution: Execution
    head: Model
    head_weights: Weights
    scale: float

    def file(self) -> bytes:
        """The trunk as a compressed file."""
        return pack(self.trunk, self.trunk_weights, self.execution)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """u8 `[n, features]` of u8 samples: what the board computes."""
        network = integer.lower(self.trunk, self.trunk_weights, self.execution.fractions, self.execution.divisor)
        return network.logits(samples).reshape(len(samples), -1).astype(np.uint8)


def split(model: Model, weights: Weights, execution: Execution, last: int = 1) -> Split:
    """Cuts a compressed network before its `last` weight layers, where a ReLU must end the trunk.

    Raises InputError where there is no such place. The head reads f32 features: the whole numbers times `scale`.
    """
    owners = weight_layers(model)
    if not 1 <= last < len(owners):
        raise InputError(f"cannot train the last {last} of {len(owners)} weight layers and keep a trunk")
    at = model.layers.index(owners[-last])
    before = model.layers[at - 1]
    if before.op != "activation" or before.attrs["kind"] != "relu" or before.name not in execution.fractions:
        raise InputError(f"the trunk must end with a ReLU, before {owners[-last].name} stands {before.name}")
    parts = (model.layers[:at], (replace(model.layers[at], inputs=(INPUT,)), *model.layers[at + 1 :]))
    shapes = (model.input_shape, model.shapes()[before.name])
    models, kept = [], []
    for layers, shape, name in zip(parts, shapes, ("trunk", "head"), strict=True):
        own = {key: model.parameters[key] for layer in layers for key in layer.parameters.values()}
        models.append(Model(f"{model.name}-{name}", shape, layers, own))
        kept.append({key: weights[key] for key in own})
    integer.lower(models[0], kept[0], execution.fractions, execution.divisor)
    names = {layer.name for layer in weight_layers(models[0])}
    settings = replace(execution, formats={key: value for key, value in execution.formats.items() if key in names})
    return Split(models[0], kept[0], settings, models[1], kept[1], 2.0 ** -execution.fractions[before.name])
