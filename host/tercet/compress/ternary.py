# SPDX-License-Identifier: Apache-2.0
"""Ternary weights: each layer's weights are one positive value, zero or one negative value.

`Trained` (Zhu, Han, Mao, Dally, 2016): both values are learned, the threshold is a share of the largest latent
weight. `Fixed` (Li,
Liu, 2016) is the baseline: one scale, the mean of what lies above 0.7 times the mean magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.compress.finetune import Constraint, Recipe, Teacher, train
from tercet.compress.network import Network, Samples, weight_layers
from tercet.errors import InputError
from tercet.model.weights import Weights

THRESHOLD = 0.05


class Trained(Constraint):
    """Trained ternary quantisation of the weights called `names`; latent weights keep full precision.

    `start(weights)` are the weights to train: beside each layer its two values, `NAME+` and `NAME-`, as multiples of the means
    that they start from: an optimizer whose steps do not follow the gradient's size (Adam) then moves both by the same share.
    """

    def __init__(self, names: Sequence[str], threshold: float = THRESHOLD) -> None:
        if not 0 < threshold < 1:
            raise InputError(f"a threshold of {threshold} is not within 0..1")
        self.names, self.threshold = list(names), threshold
        self.units: dict[str, np.float32] = {}

    def start(self, weights: Weights) -> Weights:
        """The weights with each layer's positive and negative value, first the means beyond the threshold."""
        begun = dict(weights)
        for name in self.names:
            above, below = self._sides(weights[name])
            for mark, side in (("+", above), ("-", below)):
                mean = np.abs(weights[name][side]).mean() if side.any() else np.float32(0)
                self.units[name + mark] = np.float32(mean)
                begun[name + mark] = np.ones(1, np.float32)
        return begun

    def _sides(self, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        limit = np.float32(self.threshold) * np.abs(latent).max(initial=0)
        return latent > limit, latent < -limit

    def _values(self, trained: Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
        return trained[name + "+"] * self.units[name + "+"], trained[name + "-"] * self.units[name + "-"]

    def effective(self, trained: Weights) -> Weights:
        """The ternary weights."""
        weights = {name: value for name, value in trained.items() if name[-1] not in "+-"}
        for name in self.names:
            above, below = self._sides(trained[name])
            positive, negative = self._values(trained, name)
            weights[name] = above * positive - below * negative
        return weights

    def pull_back(self, trained: Weights, grads: Weights) -> Weights:
        """Their equations 7 and 8: values get the sums over their sides, latent weights gradients scaled by their
        value."""
        turned = dict(grads)
        for name in self.names:
            above, below = self._sides(trained[name])
            grad = grads[name]
            positive, negative = self._values(trained, name)
            turned[name + "+"] = np.array([(grad * above).sum() * self.units[name + "+"]], np.float32)
            turned[name + "-"] = np.array([-(grad * below).sum() * self.units[name + "-"]], np.float32)
            scale = np.where(above, positive, np.where(below, negative, np.float32(1)))
            turned[name] = grad * scale
        return turned


class Fixed(Constraint):
    """Ternary weights of one scale that follows from the latent weights; gradients pass straight through."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def effective(self, trained: Weights) -> Weights:
        """sign(w) times the mean magnitude of what lies beyond the threshold."""
        weights = dict(trained)
        for name in self.names:
            size = np.abs(trained[name])
            beyond = size > np.float32(0.7) * size.mean()
            scale = size[beyond].mean() if beyond.any() else np.float32(0)
            weights[name] = (np.sign(trained[name]) * beyond * scale).astype(np.float32)
        return weights


def ternary(
    network: Network,
    weights: Weights,
    samples: Samples,
    recipe: Recipe,
    *,
    layers: Sequence[str] | None = None,
    threshold: float = THRESHOLD,
    trained_scales: bool = True,
    teacher: Teacher | None = None,
) -> Weights:
    """Weights whose dense and convolution layers (all, or those called `layers`) are ternary, after training."""
    known = {layer.name: layer.parameters["w"] for layer in weight_layers(network.model)}
    unknown = [name for name in layers or () if name not in known]
    if unknown:
        raise InputError(f"{network.model.name} has no weight layer {unknown[0]!r}", hint=", ".join(known))
    names = [known[name] for name in layers or known]
    if not trained_scales:
        fixed = Fixed(names)
        return fixed.effective(train(network, weights, samples, recipe, constraint=fixed, teacher=teacher))
    learned = Trained(names, threshold)
    done = train(network, learned.start(weights), samples, recipe, constraint=learned, teacher=teacher)
    return learned.effective(done)
