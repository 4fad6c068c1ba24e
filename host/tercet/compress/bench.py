# SPDX-License-Identifier: Apache-2.0
"""The compression table on MNIST 60k: medians of three seeds, bytes on disk, errors in percent of the full test set."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts, datasets
from tercet.compress import codebook, fixedpoint, lowrank, prune, ternary
from tercet.compress.finetune import Recipe, teacher_of, train
from tercet.compress.lab import Lab, Say
from tercet.compress.network import Network, weight_layers
from tercet.compress.packed import integer, pack, tensor
from tercet.compress.packed.execution import Execution
from tercet.compress.report import f32_bytes
from tercet.compress.subjects import Subject, lenet5, lenet300
from tercet.model.weights import Weights

FOLDER = Path("build/bench/compress")
SEEDS = (0, 1, 2)
DEPLOYED_SAMPLES, TIMED_SAMPLES = 1000, 100
HAN_DENSITIES = (0.08, 0.09, 0.26)  # of LeNet-300-100 in Deep Compression, where the Huffman row is judged


MILD_DENSITIES, MILD = (0.06, 0.115, 0.6), Recipe(epochs=30, rate=5e-4, shift_pixels=1)
TERNARY = Recipe(epochs=8, rate=1e-3, shift_pixels=1)
COMPENSATED = 10_000  # samples on which weights make up for each other's rounding
TUNED = Recipe(epochs=4, rate=5e-4, shift_pixels=1)


Figures = dict[str, float]
Part = Callable[[Lab, Subject, int], Figures]


def deep_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Ratio and error of Deep Compression, in whole numbers (as a board computes) too, and the error of the dense network."""
    weights = lab.shared(subject, seed)
    size = len(pack(subject.model, weights))
    name = f"deep-{subject.key}"
    return {
        f"{name}-ratio": f32_bytes(subject.model) / size,
        f"{name}-error": lab.error(subject.model, weights),
        f"{name}-integer-error": lab.integer_error(subject.model, weights),
        f"{name}-bytes": size,
        f"{name}-base-error": lab.error(subject.model, lab.base(subject, seed)),
    }


def prune_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Pruning alone, f32 values and coded positions on disk: a mild density, and `sparse` that of Deep Compression."""
    base = lab.error(subject.model, lab.base(subject, seed))
    found: Figures = {}
    for name, densities, recipe in (
        ("prune-lenet300", MILD_DENSITIES, MILD), ("prune-lenet300-sparse", subject.densities, subject.pruning)
    ):  # fmt: skip
        weights = lab.pruned(subject, densities, recipe, seed)
        found[f"{name}-ratio"] = f32_bytes(subject.model) / len(pack(subject.model, weights))
        found[f"{name}-delta"] = lab.error(subject.model, weights) - base
    return found


def fixed_figures(lab: Lab, subject: Subject, seed: int) -> Figures:
    """Dynamic precision without retraining, and the static baseline."""
    weights, network = lab.base(subject, seed), Network(subject.model)
    base, x, many = lab.error(subject.model, weights), lab.train.x[:1000], lab.train.x[:COMPENSATED]
    ways: dict[str, dict[str, Any]] = {
        "fixedpoint-8-8-delta": {},
        "fixedpoint-8-8-l1-delta": {"rule": "l1"},
        "fixedpoint-4-8-delta": {"weight_bits": 4},
        "fixedpoint-4-8-channel-delta": {"weight_bits": 4, "per_channel": True},
        "fixedpoint-4-8-compensated-delta": {"weight_bits": 4, "compensate_on": many},
        "fixedpoint-4-8-channel-compensated-delta": {"weight_bits": 4, "per_channel": True, "compensate_on": many},
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


def leave_deployable(lab: Lab, subject: Subject, weights: Weights, name: str, count: int = DEPLOYED_SAMPLES) -> None:
    """Writes what `tercet.profile.packed` runs on a board into the folder `name`: the network (weights of 8 bits) in two
    formats, the first `count` test samples and the host's labels of them."""
    fractions = lab.fractions(subject.model, weights)
    samples, folder = lab.test_u8[:count], lab.folder / name
    host = integer.lower(subject.model, weights, fractions, lab.divisor)
    layers = weight_layers(subject.model)
    for kind in ("csc", "delta"):
        formats = {layer.name: kind for layer in layers}
        artifacts.write_bytes(folder / f"{kind}.trz", pack(subject.model, weights, Execution(fractions, lab.divisor, formats)))
    shapes = [weights[layer.parameters["w"]].shape for layer in layers]
    np.savez(folder / "samples.npz", samples=samples.reshape(len(samples), -1), labels=host.labels(samples), shapes=shapes)


def leave_both(*, say: Say, folder: Path = FOLDER, cache: Path | None = None) -> None:
    """`deployed`, the network after Deep Compression, and `pruned`, the mildly pruned one in 8 bits without retraining."""
    lab, subject, seed = Lab(folder, say, datasets.load("mnist", cache=cache)), lenet300(), SEEDS[0]
    leave_deployable(lab, subject, lab.shared(subject, seed), "deployed")
    network, mild = Network(subject.model), lab.pruned(subject, MILD_DENSITIES, MILD, seed)
    leave_deployable(lab, subject, fixedpoint.round_weights(network, mild, 8), "pruned", TIMED_SAMPLES)


_UNITS = {"ratio": "x", "error": "%", "delta": "points", "bytes": "B", "entropy": "1"}


PUBLISHED = {
    "deep-lenet300-ratio": 40, "deep-lenet300-error": 1.58, "deep-lenet300-base-error": 1.64, "deep-lenet5-ratio": 39,
    "deep-lenet5-error": 0.74, "deep-lenet5-base-error": 0.80, "prune-lenet300-ratio": 12, "prune-lenet300-delta": -0.05,
}  # fmt: skip  # Han et al. 2015 and 2016, on networks and training of their own


def with_seeds(row: dict[str, Any], seeds: list[float] | None = None) -> dict[str, Any]:
    """The row with the value of each seed (its own by default) and what was published."""
    found = [round(float(each), 5) for each in seeds or [row["value"]]]
    return row | {"seeds": found, "published": PUBLISHED.get(row["name"])}


def rows_of(lab: Lab, figures: Part, subject: Subject, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of one part of the table: medians over the seeds."""
    found, rows = [figures(lab, subject, seed) for seed in seeds], []
    for name in found[0]:
        values = [each[name] for each in found]
        value, unit = round(statistics.median(values), 5), _UNITS[name.rsplit("-", 1)[1]]
        rows.append(with_seeds({"name": name, "value": value, "unit": unit, "provenance": "measured"}, values))
        lab.say(f"{name}: {value:.4g} {unit}")
    return rows


def run(*, say: Say, folder: Path = FOLDER, cache: Path | None = None) -> list[dict[str, Any]]:
    """Rows `{"name","value","unit","provenance","seeds","published"}`; values are medians over the seeds."""
    lab, small = Lab(folder, say, datasets.load("mnist", cache=cache)), lenet300()
    parts: list[tuple[Part, Subject]] = [
        (deep_figures, small), (deep_figures, lenet5()), (prune_figures, small), (fixed_figures, small),
        (low_rank_figures, small), (ternary_figures, small), (huffman_figures, small),
    ]  # fmt: skip
    return [row for figures, subject in parts for row in rows_of(lab, figures, subject, SEEDS)]
