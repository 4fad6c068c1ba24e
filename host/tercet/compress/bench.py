# SPDX-License-Identifier: Apache-2.0
"""The compression table on MNIST 60k: medians of three seeds, bytes on disk, errors in percent of the full test set.

Trained weights are kept in `build/bench/compress` by a hash of their recipe, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts, datasets
from tercet.compress import codebook, deep, fixedpoint, lowrank, prune, ternary
from tercet.compress.finetune import Recipe, teacher_of, train
from tercet.compress.network import Network, Samples, weight_layers
from tercet.compress.packed import integer, pack, tensor
from tercet.compress.packed.execution import Execution
from tercet.compress.report import f32_bytes
from tercet.compress.subjects import Subject, lenet5, lenet300
from tercet.model import initialise
from tercet.model.graph import Model
from tercet.model.weights import Weights

FOLDER = Path("build/bench/compress")
SEEDS = (0, 1, 2)
DEPLOYED_SAMPLES = 1000
HAN_DENSITIES = (0.08, 0.09, 0.26)  # of LeNet-300-100 in Deep Compression, where the Huffman row is judged
Say = Callable[[str], None]


MILD_DENSITIES, MILD = (0.05, 0.1, 0.5), Recipe(epochs=20, rate=1e-3, shift_pixels=1)
TERNARY = Recipe(epochs=8, rate=1e-3, shift_pixels=1)
TUNED = Recipe(epochs=4, rate=5e-4, shift_pixels=1)


class Lab:
    """The data, the cache of trained weights, and the steps that several rows share."""

    def __init__(self, folder: Path, say: Say, found: datasets.Dataset) -> None:
        self.train = Samples(found.inputs("train", flat=False), found.labels("train"))
        self.test = Samples(found.inputs("test", flat=False), found.labels("test"))
        self.test_u8, self.divisor = found.test_x, round(1 / found.scale)
        self.folder, self.say = folder, say

    def kept(self, name: str, recipe: object, make: Callable[[], Weights]) -> Weights:
        """The weights made by `make`, or those that an earlier run with the same recipe left."""
        path = self.folder / f"{name}-{artifacts.sha256_bytes(repr(recipe).encode())[:10]}.npz"
        if path.is_file():
            with np.load(path) as archive:
                return {key: archive[key] for key in archive.files}
        self.say(f"training {name}")
        weights = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **weights)  # type: ignore[arg-type]
        return weights

    def base(self, subject: Subject, seed: int) -> Weights:
        """The dense network."""
        recipe, network = subject.base.with_(seed=seed), Network(subject.model)
        start = initialise(subject.model, seed)
        return self.kept(f"base-{subject.key}-{seed}", recipe, lambda: train(network, start, self.train, recipe))

    def pruned(self, subject: Subject, seed: int) -> Weights:
        """The pruned network, taught by the dense one."""
        network, base = Network(subject.model), self.base(subject, seed)
        recipe = subject.pruning.with_(seed=seed)
        named = prune.named_densities(network, subject.densities)
        teacher = teacher_of(network, base)
        return self.kept(
            f"pruned-{subject.key}-{seed}",
            (recipe, subject.densities),
            lambda: prune.prune(network, base, self.train, named, recipe, teacher=teacher),
        )

    def shared(self, subject: Subject, seed: int) -> Weights:
        """The network after Deep Compression."""
        network, recipe = Network(subject.model), subject.sharing.with_(seed=seed)
        pruned = self.pruned(subject, seed)
        start, biases = deep.rounded_biases(network, pruned)
        names = [layer.parameters["w"] for layer in weight_layers(subject.model)]
        bits = dict(zip(names, subject.bits, strict=True))
        teacher = teacher_of(network, self.base(subject, seed))

        def make() -> Weights:
            return codebook.share(network, start, self.train, bits, recipe, teacher=teacher, value_bits=8, frozen=biases)

        return self.kept(f"shared-{subject.key}-{seed}", (recipe, subject.pruning, subject.densities, subject.bits), make)

    def error(self, model: Model, weights: Weights, hook: Any = None) -> float:
        """Percent of the test set."""
        return Network(model).error_percent(weights, self.test, hook)


Figures = dict[str, float]


def deep_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Ratio and error of Deep Compression, and the error of the dense network."""
    weights = lab.shared(subject, seed)
    size = len(pack(subject.model, weights))
    name = f"deep-{subject.key}"
    return {
        f"{name}-ratio": f32_bytes(subject.model) / size,
        f"{name}-error": lab.error(subject.model, weights),
        f"{name}-bytes": size,
        f"{name}-base-error": lab.error(subject.model, lab.base(subject, seed)),
    }


def prune_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Pruning alone, f32 values and coded positions on disk: a mild density, and `sparse` that of Deep Compression."""
    base = lab.error(subject.model, lab.base(subject, seed))
    mild = dataclasses.replace(subject, densities=MILD_DENSITIES, pruning=MILD)
    found: Figures = {}
    for name, each in (("prune-lenet300", mild), ("prune-lenet300-sparse", subject)):
        weights = lab.pruned(each, seed)
        found[f"{name}-ratio"] = f32_bytes(subject.model) / len(pack(subject.model, weights))
        found[f"{name}-delta"] = lab.error(subject.model, weights) - base
    return found


def fixed_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Dynamic precision without retraining, and the static baseline."""
    weights, network = lab.base(subject, seed), Network(subject.model)
    base, x = lab.error(subject.model, weights), lab.train.x[:1000]
    ways: dict[str, dict[str, Any]] = {
        "fixedpoint-8-8-delta": {},
        "fixedpoint-8-8-l1-delta": {"rule": "l1"},
        "fixedpoint-4-8-delta": {"weight_bits": 4},
        "fixedpoint-4-8-channel-delta": {"weight_bits": 4, "per_channel": True},
        "fixedpoint-4-4-delta": {"weight_bits": 4, "map_bits": 4},
    }
    points = {name: fixedpoint.dynamic(network, weights, x, **way) for name, way in ways.items()}
    points["fixedpoint-static-8-8-delta"] = fixedpoint.static(network, weights, x)
    points["fixedpoint-static-4-8-delta"] = fixedpoint.static(network, weights, x, weight_bits=4)
    return {name: lab.error(subject.model, point.weights, point.hook()) - base for name, point in points.items()}


def low_rank_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Low rank at 4x without retraining by every approach, and 5x fine-tuned."""
    weights, x = lab.base(subject, seed), lab.train.x[:6000]
    base, variances = lab.error(subject.model, weights), lowrank.spectra(subject.model, weights, x)
    found: Figures = {}
    ranks = lowrank.choose_ranks(subject.model, variances, 4)
    for method in lowrank.METHODS:
        model, thin = lowrank.factor(subject.model, weights, ranks, x, method=method)
        name = "lowrank-4x-delta" if method == "nonlinear" else f"lowrank-4x-{method}-delta"
        found[name] = lab.error(model, thin) - base
    model, thin = lowrank.factor(subject.model, weights, lowrank.choose_ranks(subject.model, variances, 5), x)
    recipe = TUNED.with_(seed=seed)
    teacher = teacher_of(Network(subject.model), weights)
    tuned = lab.kept(
        f"lowrank5-{subject.key}-{seed}", recipe, lambda: train(Network(model), thin, lab.train, recipe, teacher=teacher)
    )
    return found | {"lowrank-5x-tuned-delta": lab.error(model, tuned) - base}


def ternary_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Trained ternary quantisation of all layers, and the fixed-scale baseline."""
    weights, network, recipe = lab.base(subject, seed), Network(subject.model), TERNARY.with_(seed=seed)
    teacher, base = teacher_of(network, weights), lab.error(subject.model, weights)
    found: Figures = {}
    for name, learned in (("ttq", True), ("ternary-fixed", False)):

        def make(learned: bool = learned) -> Weights:
            return ternary.ternary(network, weights, lab.train, recipe, trained_scales=learned, teacher=teacher)

        done = lab.kept(f"{name}-{subject.key}-{seed}", recipe, make)
        found[f"{name}-delta"] = lab.error(subject.model, done) - base
        found[f"{name}-ratio"] = f32_bytes(subject.model) / len(pack(subject.model, done))
    return found


def huffman_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """The bits of the streams over the entropy of their symbols, at the paper's densities (8 % in all) and 6 bits a code."""
    weights, network = lab.base(subject, seed), Network(subject.model)
    pruned = prune.prune_once(weights, prune.named_densities(network, HAN_DENSITIES))
    names = [layer.parameters["w"] for layer in weight_layers(subject.model)]
    plain = codebook.Shared(pruned, dict.fromkeys(names, 6))
    codings = [tensor.encode(plain.effective(plain.start)[name]) for name in names]
    return {"huffman-over-entropy": sum(c.stream_bits for c in codings) / sum(c.entropy_bits for c in codings)}


def leave_deployable(lab: Lab, subject: Subject, seed: int) -> None:
    """Writes what `tercet.profile.packed` runs on a board: the compressed network in two formats, samples and labels."""
    weights, network = lab.shared(subject, seed), Network(subject.model)
    fractions = fixedpoint.calibrate(network, weights, weights, lab.train.x[:500])
    samples = lab.test_u8[:DEPLOYED_SAMPLES]
    host = integer.lower(subject.model, weights, fractions, lab.divisor)
    names = [layer.name for layer in weight_layers(subject.model)]
    for kind in ("csc", "delta"):
        data = pack(subject.model, weights, Execution(fractions, lab.divisor, dict.fromkeys(names, kind)))
        artifacts.write_bytes(lab.folder / f"{kind}.trz", data)
    shapes = [weights[layer.parameters["w"]].shape for layer in weight_layers(subject.model)]
    np.savez(lab.folder / "samples.npz", samples=samples.reshape(len(samples), -1), labels=host.labels(samples), shapes=shapes)


_UNITS = {"ratio": "x", "error": "%", "delta": "points", "bytes": "B", "entropy": "1"}


def run(*, say: Say, folder: Path = FOLDER, cache: Path | None = None) -> list[dict[str, Any]]:
    """Rows `{"name","value","unit","provenance"}`, medians over the seeds; the files of the first seed stay in `folder`."""
    lab, small = Lab(folder, say, datasets.load("mnist", cache=cache)), lenet300()
    parts: list[tuple[Callable[[Lab, Subject, int], Figures], Subject]] = [
        (deep_figures, small), (deep_figures, lenet5()), (prune_figures, small), (fixed_figures, small),
        (low_rank_figures, small), (ternary_figures, small), (huffman_figures, small),
    ]  # fmt: skip
    rows = []
    for figures, subject in parts:
        seeds = [figures(lab, subject, seed) for seed in SEEDS]
        for name in seeds[0]:
            value = statistics.median(each[name] for each in seeds)
            say(f"{name}: {value:.4g}")
            unit = _UNITS[name.rsplit("-", 1)[1]]
            rows.append({"name": name, "value": round(value, 5), "unit": unit, "provenance": "measured"})
    leave_deployable(lab, small, SEEDS[0])
    return rows
