# SPDX-License-Identifier: Apache-2.0
"""Deep Compression: pruning, trained weight sharing and Huffman coding in one go (Han, Mao, Dally, 2016).

Beyond the paper: pruning is gradual with splicing, the shared values lie on a grid of 8 bits, and the dense net
may teach.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tercet.compress import codebook, fixedpoint, prune
from tercet.compress.finetune import Recipe, Teacher
from tercet.compress.network import Network, Samples, weight_layers
from tercet.compress.packed import cycles
from tercet.compress.packed.execution import FORMATS, Execution
from tercet.errors import InputError
from tercet.model.graph import Model
from tercet.model.weights import Weights


@dataclass(frozen=True)
class DeepRecipe:
    """Densities and code bits of the weight layers in order, and how pruning and sharing are trained."""

    densities: prune.Densities
    bits: tuple[int, ...]
    pruning: Recipe = field(default_factory=Recipe)
    sharing: Recipe = field(default_factory=lambda: Recipe(epochs=3, rate=5e-4))
    value_bits: int = 8


@dataclass(frozen=True)
class Stages:
    """The weights after each stage."""

    pruned: Weights
    shared: Weights


def rounded_biases(network: Network, weights: Weights) -> tuple[Weights, set[str]]:
    """The weights with every bias of a weight layer on a grid of 8 bits, and the names of those biases."""
    names = {layer.parameters["b"] for layer in weight_layers(network.model) if "b" in layer.parameters}
    return weights | {name: fixedpoint.round_bias(weights[name]) for name in names}, names


def compress(network: Network, weights: Weights, samples: Samples, recipe: DeepRecipe, teacher: Teacher | None = None) -> Stages:
    """The pruned and the shared weights; the caller packs them."""
    layers = [layer.parameters["w"] for layer in weight_layers(network.model)]
    if len(recipe.bits) != len(layers) or not all(1 <= bits <= 8 for bits in recipe.bits):
        raise InputError(f"code bits {list(recipe.bits)}: {len(layers)} numbers of 1 to 8 are needed")
    pruned = prune.prune(network, weights, samples, recipe.densities, recipe.pruning, teacher=teacher)
    start, biases = rounded_biases(network, pruned)
    bits = dict(zip(layers, recipe.bits, strict=True))
    shared = codebook.share(
        network, start, samples, bits, recipe.sharing, teacher=teacher, value_bits=recipe.value_bits, frozen=biases
    )
    return Stages(pruned, shared)


def execution(network: Network, weights: Weights, x: object, divisor: int) -> Execution:
    """How the board runs fixed-point weights: grids from calibration samples `x`, the fastest format of each
    layer."""
    fractions = fixedpoint.calibrate(network, weights, weights, x)  # type: ignore[arg-type]
    return Execution(fractions, divisor, best_formats(network.model, weights))


def best_formats(model: Model, weights: Weights) -> dict[str, str]:
    """The fastest format of each weight layer."""
    names = {}
    for layer in weight_layers(model):
        best = cycles.fastest(weights[layer.parameters["w"]]).format
        names[layer.name] = best if best in FORMATS else "dense"
    return names
