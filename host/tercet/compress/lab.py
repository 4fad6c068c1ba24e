# SPDX-License-Identifier: Apache-2.0
"""Where the compression table is made: the data, the weights that earlier runs trained, and the steps that rows share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts, datasets
from tercet.compress import codebook, deep, fixedpoint, prune
from tercet.compress.finetune import Recipe, teacher_of, train
from tercet.compress.network import CHUNK, Network, Samples, weight_layers
from tercet.compress.packed import integer
from tercet.compress.subjects import Subject
from tercet.model import initialise
from tercet.model import weights as weight_files
from tercet.model.graph import Model
from tercet.model.weights import Weights

Say = Callable[[str], None]


class Lab:
    """A data set and a folder in which trained weights are kept by a hash of their recipe: an interrupted table goes on there."""

    def __init__(self, folder: Path, say: Say, found: datasets.Dataset) -> None:
        self.train = Samples(found.inputs("train", flat=False), found.labels("train"))
        self.test = Samples(found.inputs("test", flat=False), found.labels("test"))
        self.test_u8, self.divisor = found.test_x, round(1 / found.scale)
        self.folder, self.say = folder, say

    def kept(self, name: str, recipe: object, make: Callable[[], Weights]) -> Weights:
        """The weights made by `make`, or those that an earlier run with the same recipe left."""
        path = self.folder / f"{name}-{artifacts.sha256_bytes(repr(recipe).encode())[:10]}.npz"
        if path.is_file():
            return weight_files.load(path)
        self.say(f"training {name}")
        weights = make()
        weight_files.save(weights, path)
        return weights

    def base(self, subject: Subject, seed: int) -> Weights:
        """The dense network."""
        recipe, network = subject.base.with_(seed=seed), Network(subject.model)
        start = initialise(subject.model, seed)
        return self.kept(f"base-{subject.key}-{seed}", recipe, lambda: train(network, start, self.train, recipe))

    def pruned(self, subject: Subject, densities: tuple[float, ...], recipe: Recipe, seed: int) -> Weights:
        """The network at the given densities, taught by the dense one."""
        network, base = Network(subject.model), self.base(subject, seed)
        recipe = recipe.with_(seed=seed)
        named = prune.named_densities(network, densities)
        teacher = teacher_of(network, base)
        return self.kept(
            f"pruned-{subject.key}-{seed}",
            (subject.base, recipe, densities),
            lambda: prune.prune(network, base, self.train, named, recipe, teacher=teacher),
        )

    def shared(self, subject: Subject, seed: int) -> Weights:
        """The network after Deep Compression."""
        network, recipe = Network(subject.model), subject.sharing.with_(seed=seed)
        pruned = self.pruned(subject, subject.densities, subject.pruning, seed)
        start, biases = deep.rounded_biases(network, pruned)
        names = [layer.parameters["w"] for layer in weight_layers(subject.model)]
        bits = dict(zip(names, subject.bits, strict=True))
        teacher = teacher_of(network, self.base(subject, seed))

        def make() -> Weights:
            return codebook.share(network, start, self.train, bits, recipe, teacher=teacher, value_bits=8, frozen=biases)

        settings = (subject.base, subject.pruning, subject.densities, subject.bits, recipe)
        return self.kept(f"shared-{subject.key}-{seed}", settings, make)

    def error(self, model: Model, weights: Weights, hook: Any = None) -> float:
        """Percent of the test set."""
        return Network(model).error_percent(weights, self.test, hook)

    def fractions(self, model: Model, weights: Weights) -> dict[str, int]:
        """The grids of the feature maps for weights of 8 bits."""
        return fixedpoint.calibrate(Network(model), weights, weights, self.train.x[:500])

    def integer_error(self, model: Model, weights: Weights) -> float:
        """Percent of the test set in whole numbers, with weights of 8 bits."""
        whole = integer.lower(model, weights, self.fractions(model, weights), self.divisor)
        parts = [whole.labels(self.test_u8[at : at + CHUNK]) for at in range(0, len(self.test_u8), CHUNK)]
        return 100.0 * float(np.mean(np.concatenate(parts) != self.test.labels))
