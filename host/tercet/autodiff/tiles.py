# SPDX-License-Identifier: Apache-2.0
"""Weight tiles: a layer's weights, biases and optimizer state as several tensors of some outputs each.

Each tile is a tensor of its own, so that it is paged like any other and weights may exceed RAM. Forward, tile after tile
fills its part of the one output; backward, each adds to the one gradient of the input and is updated before the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tercet.autodiff.graph import ITEM_BYTES, Tensor
from tercet.model.graph import Layer, Model, Parameter
from tercet.model.operators import product

# A tile has a multiple of so many outputs where it may: the kernels compute four at a time.
_BLOCK_OUTPUTS = 4


@dataclass(frozen=True)
class Tile:
    """The outputs `first` .. `first + count` of a layer and the names of its own tensors by role."""

    first: int
    count: int
    parameters: dict[str, str]


def ranges(outputs: int, row_bytes: int, tile_bytes: int) -> list[tuple[int, int]]:
    """(first, count) of the tiles of a layer: as few as `tile_bytes` allows, of equal size but the last."""
    most = max(1, tile_bytes // row_bytes)
    if most > _BLOCK_OUTPUTS:
        most -= most % _BLOCK_OUTPUTS
    if most >= outputs:
        return [(0, outputs)]
    each = -(-outputs // -(-outputs // most))
    if each > _BLOCK_OUTPUTS:
        each = min(most, -(-each // _BLOCK_OUTPUTS) * _BLOCK_OUTPUTS)
    return [(first, min(each, outputs - first)) for first in range(0, outputs, each)]


def of_model(model: Model, tile_bytes: int) -> dict[str, tuple[Tile, ...]]:
    """The tiles of each layer, by its name, whose weights exceed `tile_bytes`; layers that share weights have none.

    Dense layers and convolutions without groups can be divided.
    """
    users = Counter(name for layer in model.layers for name in layer.parameters.values())
    found = {}
    for layer in model.layers:
        alone = all(users[name] == 1 for name in layer.parameters.values())
        if not alone or layer.op not in ("dense", "conv2d") or layer.attrs.get("groups", 1) != 1:
            continue
        weights = model.parameters[layer.parameters["w"]]
        parts = ranges(weights.shape[0], product(weights.shape[1:]) * ITEM_BYTES["f32"], tile_bytes)
        if len(parts) > 1:
            found[layer.name] = tuple(Tile(first, count, _names(layer, first)) for first, count in parts)
    return found


def _names(layer: Layer, first: int) -> dict[str, str]:
    return {role: f"{name}:{first}" for role, name in layer.parameters.items()}


def tensors(layer: Layer, parameters: Mapping[str, Parameter], tiles: Iterable[Tile]) -> dict[str, Tensor]:
    """The tiles' weights and biases as tensors by name."""
    made = {}
    for tile in tiles:
        for role, name in layer.parameters.items():
            shape = (tile.count, *parameters[name].shape[1:])
            made[tile.parameters[role]] = Tensor(tile.parameters[role], shape, "f32", "weight", name, tile.first)
    return made


def part(tensor: Tensor, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """A tensor's value among `values`, which hold whole parameters; None where they lack it."""
    if not tensor.whole or tensor.name in values:
        return values.get(tensor.name)
    whole = values.get(tensor.whole)
    return None if whole is None else whole[tensor.first : tensor.first + tensor.shape[0]]


def joined(parts: Iterable[Tensor], values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Whole parameters and state by name from the values of `parts`, whose tiles stand in ascending order."""
    rows: dict[str, list[np.ndarray]] = {}
    for tensor in parts:
        rows.setdefault(tensor.whole or tensor.name, []).append(values[tensor.name])
    return {name: found[0] if len(found) == 1 else np.concatenate(found) for name, found in rows.items()}
