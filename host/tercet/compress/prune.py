# SPDX-License-Identifier: Apache-2.0
"""Unstructured pruning: which weights go, how many per layer, and a gradual schedule in which pruned weights may
return.

Magnitude with a sensitivity scan: Han, Pool, Tran, Dally (2015). Saliency of the diagonal Hessian: LeCun, Denker,
Solla (1990),
`curvature.py`. Gradual density: Zhu, Gupta (2017). Splicing: Guo, Yao, Chen (2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.compress.finetune import Constraint, Recipe, Teacher, train
from tercet.compress.network import Network, Samples, weight_layers
from tercet.errors import InputError
from tercet.model.weights import Weights

_DENSITY = "0.08 keeps 8 % of the weights"
Densities = dict[str, float]
SCAN_DENSITIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def keep_largest(scores: np.ndarray, density: float) -> np.ndarray:
    """A mask of `scores` that keeps the `round(density * size)` largest (one at least; of equals those that come
    first)."""
    if not 0 < density <= 1:
        raise InputError(f"a density of {density} is not in 0..1", hint=_DENSITY)
    count = max(1, round(density * scores.size))
    flat = scores.ravel()
    mask = np.zeros(scores.size, bool)
    if count == scores.size:
        return np.ones(scores.shape, bool)
    threshold = np.partition(flat, scores.size - count)[scores.size - count]
    mask[flat > threshold] = True
    ties = np.flatnonzero(flat == threshold)
    mask[ties[: count - int(mask.sum())]] = True
    return mask.reshape(scores.shape)


def named_densities(network: Network, densities: Densities | Sequence[float] | float) -> Densities:
    """`{parameter: density}` from one number, one per weight layer in order, or a dictionary by layer or parameter
    name."""
    layers = weight_layers(network.model)
    names = [layer.parameters["w"] for layer in layers]
    if isinstance(densities, float | int):
        densities = [float(densities)] * len(names)
    for density in densities.values() if isinstance(densities, dict) else densities:
        if not 0 < density <= 1:
            raise InputError(f"a density of {density} is not in 0..1", hint=_DENSITY)
    if isinstance(densities, dict):
        aliases = {layer.name: layer.parameters["w"] for layer in layers}
        found = {aliases.get(name, name): float(value) for name, value in densities.items()}
        unknown = [name for name in found if name not in names]
        if unknown:
            raise InputError(f"{network.model.name} has no weight layer {unknown[0]!r}", hint=", ".join(aliases))
        return dict.fromkeys(names, 1.0) | found
    if len(densities) != len(names):
        raise InputError(f"{len(densities)} densities for {len(names)} weight layers of {network.model.name}")
    return dict(zip(names, map(float, densities), strict=True))


def spread(network: Network, density: float) -> Densities:
    """Densities that keep the share `density` of all weights together; small layers, with few weights an input, keep more.

    A layer's density is proportional to (inputs + outputs + kernel) / weights, 1 at most (Evci et al. 2020, after Mocanu et
    al. 2018).
    """
    counts, leaning = {}, {}
    for layer in weight_layers(network.model):
        name = layer.parameters["w"]
        shape = network.model.parameters[name].shape
        counts[name], leaning[name] = int(np.prod(shape)), sum(shape) / np.prod(shape)
    found = named_densities(network, density)
    full: set[str] = set()
    while True:
        left = density * sum(counts.values()) - sum(counts[name] for name in full)
        scale = left / max(sum(leaning[name] * counts[name] for name in counts if name not in full), 1e-30)
        over = {name for name in counts if name not in full and scale * leaning[name] >= 1}
        if not over:
            return found | {name: 1.0 if name in full else float(scale * leaning[name]) for name in counts}
        full |= over


def prune_once(weights: Weights, densities: Densities, scores: Weights | None = None) -> Weights:
    """The weights with all but the highest-scoring share of each layer set to zero; scores default to magnitudes."""
    pruned = dict(weights)
    for name, density in densities.items():
        score = np.abs(weights[name]) if scores is None else scores[name]
        pruned[name] = weights[name] * keep_largest(score, density)
    return pruned


def sensitivity(
    network: Network,
    weights: Weights,
    samples: Samples,
    densities: Sequence[float] = SCAN_DENSITIES,
    scores: Weights | None = None,
) -> dict[str, list[float]]:
    """Error in percent `{parameter: [one per density]}` when that layer alone is pruned, without retraining (Han
    2015)."""
    table = {}
    for layer in weight_layers(network.model):
        name = layer.parameters["w"]
        errors = []
        for density in densities:
            pruned = prune_once(weights, {name: density}, scores)
            errors.append(network.error_percent(pruned, samples))
        table[name] = errors
    return table


def densities_within(table: dict[str, list[float]], densities: Sequence[float], rise_percent: float) -> Densities:
    """Per layer the lowest scanned density whose error lies within `rise_percent` of that of its densest."""
    chosen = {}
    for name, errors in table.items():
        densest = errors[int(np.argmax(densities))]
        fitting = [density for density, error in zip(densities, errors, strict=True) if error <= densest + rise_percent]
        chosen[name] = min(fitting)
    return chosen


class Splicing(Constraint):
    """Masks that follow the weights: density falls from 1 to its target, pruned weights still learn and may come
    back.

    The density at share t of the training is `target + (1 - target) (1 - t / ramp)^3` until `ramp`; from `settle`
    on the masks
    stay and only kept weights are trained. `weigh` multiplies magnitudes into scores (the root of a Hessian
    diagonal, say).
    """

    def __init__(
        self,
        densities: Densities,
        *,
        ramp: float = 0.5,
        settle: float = 0.65,
        every: int = 20,
        weigh: Weights | None = None,
    ) -> None:
        if not 0 < ramp <= settle <= 1:
            raise InputError(f"the schedule needs 0 < ramp <= settle <= 1, found {ramp} and {settle}")
        self.densities, self.ramp, self.settle, self.every = densities, ramp, settle, every
        self.weigh = weigh or {}
        self.masks: Weights = {}
        self.calls = 0
        self.settled = False

    def before_step(self, trained: Weights, share_done: float) -> None:
        """Renews the masks every few steps until they settle."""
        last = share_done >= self.settle and not self.settled
        if last or (not self.settled and self.calls % self.every == 0):
            left = max(0.0, 1 - share_done / self.ramp) ** 3
            for name, target in self.densities.items():
                score = np.abs(trained[name]) * self.weigh.get(name, np.float32(1))
                density = target + (1 - target) * left
                self.masks[name] = keep_largest(score, density).astype(np.float32)
        self.settled = self.settled or last
        self.calls += 1

    def effective(self, trained: Weights) -> Weights:
        """The kept weights, zeros elsewhere."""
        return {name: value * self.masks[name] if name in self.masks else value for name, value in trained.items()}

    def pull_back(self, trained: Weights, grads: Weights) -> Weights:
        """Every weight learns until the masks settle, then the kept ones."""
        if not self.settled:
            return grads
        return {name: grad * self.masks[name] if name in self.masks else grad for name, grad in grads.items()}


class Kept(Constraint):
    """The zeros of given weights stay zero."""

    def __init__(self, weights: Weights, names: Sequence[str]) -> None:
        self.masks = {name: (weights[name] != 0).astype(np.float32) for name in names}

    def pull_back(self, trained: Weights, grads: Weights) -> Weights:
        """Gradients of the kept weights."""
        return {name: grad * self.masks[name] if name in self.masks else grad for name, grad in grads.items()}


def prune(
    network: Network,
    weights: Weights,
    samples: Samples,
    densities: Densities,
    recipe: Recipe,
    *,
    teacher: Teacher | None = None,
    weigh: Weights | None = None,
) -> Weights:
    """Weights of the given densities: gradual pruning with splicing, then retraining of the kept weights."""
    constraint = Splicing(densities, weigh=weigh)
    trained = train(network, weights, samples, recipe, constraint=constraint, teacher=teacher)
    return constraint.effective(trained)


def retrain(
    network: Network,
    weights: Weights,
    samples: Samples,
    recipe: Recipe,
    *,
    teacher: Teacher | None = None,
) -> Weights:
    """The weights after training with the present zeros kept."""
    names = [layer.parameters["w"] for layer in weight_layers(network.model)]
    # Decay or old momentum never revives a zero: its gradient and its value are both zero from the start.
    return train(network, weights, samples, recipe, constraint=Kept(weights, names), teacher=teacher)
