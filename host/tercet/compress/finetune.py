# SPDX-License-Identifier: Apache-2.0
"""Training and retraining in NumPy: minibatches, momentum or Adam, weight decay, shifted images, distillation.

What a compression method must preserve while the weights move (a mask, a codebook, a ternary grid) enters as a
`Constraint`: it makes the weights that the network computes with out of the trained ones, and turns gradients back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tercet.compress.network import Network, Samples
from tercet.errors import InputError
from tercet.model.weights import Weights

PROGRESS_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How to train. `shift_pixels` moves each image by up to that many pixels; `teacher` gives logits to imitate.

    `rate` falls along a cosine to `rate * rate_end`. With a teacher the loss is
    `(1 - blend) * cross entropy + blend * T^2 * KL(teacher_T || student_T)` (Hinton 2015), T = `temperature`.
    """

    epochs: int = 5
    batch: int = 100
    rate: float = 1e-3
    rate_end: float = 0.01
    optimizer: str = "adam"
    momentum: float = 0.9
    decay: float = 0.0
    shift_pixels: int = 0
    blend: float = 0.7
    temperature: float = 3.0
    seed: int = 0

    def with_(self, **changes: object) -> Recipe:
        """The same recipe with some settings changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


class Constraint:
    """No constraint: trains every parameter as it is."""

    def effective(self, trained: Weights) -> Weights:
        """The weights that the network computes with."""
        return trained

    def pull_back(self, trained: Weights, grads: Weights) -> Weights:
        """The gradients of what is trained from those of the effective weights."""
        return grads

    def before_step(self, trained: Weights, share_done: float) -> None:
        """Called before each step with the share of the training that is done, 0..1."""


Teacher = Callable[[np.ndarray], np.ndarray]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def loss_gradient(logits: np.ndarray, labels: np.ndarray, target: np.ndarray | None, recipe: Recipe) -> np.ndarray:
    """d loss / d logits of the batch mean; `target` are the teacher's logits."""
    grad = softmax(logits)
    grad[np.arange(len(labels)), labels] -= 1
    if target is not None:
        heat = np.float32(recipe.temperature)
        soft = softmax(logits / heat) - softmax(target / heat)
        grad = (1 - recipe.blend) * grad + recipe.blend * heat * soft
    return (grad / len(labels)).astype(np.float32)


def shifted(images: np.ndarray, pixels: int, generator: np.random.Generator) -> np.ndarray:
    """Each image moved by -pixels..pixels in both directions, zeros moving in."""
    if images.ndim != 4:
        raise InputError("only images can be shifted", hint="set shift_pixels to 0")
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    out = np.empty_like(images)
    moves = generator.integers(0, 2 * pixels + 1, (len(images), 2))
    for down in range(2 * pixels + 1):
        for right in range(2 * pixels + 1):
            rows = np.flatnonzero((moves[:, 0] == down) & (moves[:, 1] == right))
            out[rows] = padded[rows, :, down : down + height, right : right + width]
    return out


class Optimizer:
    """Momentum or Adam over a dictionary of arrays, updated in place."""

    def __init__(self, recipe: Recipe) -> None:
        if recipe.optimizer not in ("adam", "momentum"):
            raise InputError(f"no optimizer is called {recipe.optimizer!r}", hint="adam or momentum")
        self.recipe, self.steps = recipe, 0
        self.first: Weights = {}
        self.second: Weights = {}

    def step(self, weights: Weights, grads: Weights, rate: float) -> None:
        """One update of the weights that have a gradient."""
        self.steps += 1
        beta1, beta2 = 0.9, 0.999
        for name, raw in grads.items():
            grad = raw + np.float32(self.recipe.decay) * weights[name] if self.recipe.decay else raw
            if self.recipe.optimizer == "momentum":
                velocity = self.first.setdefault(name, np.zeros_like(weights[name]))
                velocity *= self.recipe.momentum
                velocity += grad
                weights[name] -= np.float32(rate) * velocity
                continue
            mean = self.first.setdefault(name, np.zeros_like(weights[name]))
            square = self.second.setdefault(name, np.zeros_like(weights[name]))
            mean += np.float32(1 - beta1) * (grad - mean)
            square += np.float32(1 - beta2) * (grad * grad - square)
            scale = rate * np.sqrt(1 - beta2**self.steps) / (1 - beta1**self.steps)
            weights[name] -= np.float32(scale) * mean / (np.sqrt(square) + np.float32(1e-8))


def train(
    network: Network,
    weights: Weights,
    samples: Samples,
    recipe: Recipe,
    *,
    constraint: Constraint | None = None,
    teacher: Teacher | None = None,
    frozen: set[str] | None = None,
) -> Weights:
    """The trained weights (apply `constraint.effective` for those that compute); the input is left alone.

    `frozen` names parameters that stay. The same seed trains the same weights.
    """
    constraint, frozen = constraint or Constraint(), frozen or set()
    trained = {name: np.array(value, np.float32) for name, value in weights.items()}
    samples = samples.checked(network.classes)
    x, labels = network.shaped(samples.x), samples.labels
    generator = np.random.default_rng(recipe.seed)
    optimizer = Optimizer(recipe)
    steps, done = recipe.epochs * -(-len(x) // recipe.batch), 0
    told = time.monotonic()
    for epoch in range(recipe.epochs):
        if time.monotonic() - told > PROGRESS_S:
            _log.info("trained %d of %d epochs", epoch, recipe.epochs)
            told = time.monotonic()
        order = generator.permutation(len(x))
        for at in range(0, len(x), recipe.batch):
            rows = order[at : at + recipe.batch]
            images = shifted(x[rows], recipe.shift_pixels, generator) if recipe.shift_pixels else x[rows]
            constraint.before_step(trained, done / steps)
            effective = constraint.effective(trained)
            trace = network.forward(effective, images)
            target = teacher(images) if teacher else None
            grads = network.backward(effective, trace, loss_gradient(trace.logits, labels[rows], target, recipe))
            grads = {name: grad for name, grad in constraint.pull_back(trained, grads).items() if name not in frozen}
            rate = recipe.rate * (recipe.rate_end + (1 - recipe.rate_end) * 0.5 * (1 + np.cos(np.pi * done / steps)))
            optimizer.step(trained, grads, rate)
            done += 1
    return trained


def teacher_of(network: Network, weights: Weights) -> Teacher:
    """A function from samples to the logits of a trained network."""
    return lambda images: network.forward(weights, network.shaped(images)).logits
