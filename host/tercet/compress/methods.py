# SPDX-License-Identifier: Apache-2.0
"""The compression methods as functions of a job: network in, network out, so that they combine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tercet.compress import curvature, deep, fixedpoint, lowrank, prune, structured, ternary
from tercet.compress.finetune import Recipe, train
from tercet.compress.job import Job
from tercet.compress.network import Hook, Network, Samples, weight_layers
from tercet.compress.packed.execution import Execution
from tercet.errors import InputError
from tercet.model.graph import Model
from tercet.model.weights import Weights

SCANNED = 2000  # samples of a sensitivity scan
COMPENSATED = 10_000  # samples on which weights make up for each other's rounding


@dataclass(frozen=True)
class Result:
    """A compressed network; `stages` are (name, model, weights) on the way; `hook` rounds its feature maps when they are fixed
    point."""

    model: Model
    weights: Weights
    execution: Execution | None = None
    hook: Hook | None = None
    stages: tuple[tuple[str, Model, Weights], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def _densities(job: Job) -> prune.Densities:
    """From `density` (of all weights together, a list, or by layer), else by a sensitivity scan with `rise` points a layer."""
    given = job.options.get("density")
    if isinstance(given, float | int):
        return prune.spread(job.network, float(given))
    if given is not None:
        return prune.named_densities(job.network, given)
    samples = job.needs("a sensitivity scan").train
    part = Samples(samples.x[:SCANNED], samples.labels[:SCANNED])
    scan = prune.sensitivity(job.network, job.weights, part, scores=_scores(job))
    return prune.densities_within(scan, prune.SCAN_DENSITIES, job.number("rise", 1.0))


def _scores(job: Job) -> Weights | None:
    """Saliencies of the diagonal Hessian when `saliency` asks for them; None means magnitudes."""
    if not job.options.get("saliency"):
        return None
    return curvature.saliency(job.weights, curvature.hessian_diagonal(job.network, job.weights, job.calibration()))


def by_pruning(job: Job) -> Result:
    """Unstructured pruning, gradual with splicing; with `saliency` the least salient weights go instead of the smallest."""
    data, densities = job.needs("pruning"), _densities(job)
    weigh = None
    if job.options.get("saliency"):
        diagonal = curvature.hessian_diagonal(job.network, job.weights, job.calibration())
        weigh = {name: (value / max(float(value.mean()), 1e-30)) ** 0.5 for name, value in diagonal.items()}
    once = prune.prune_once(job.weights, densities, _scores(job))
    recipe = job.recipe(10, 1e-3)
    weights = prune.prune(job.network, job.weights, data.train, densities, recipe, teacher=job.teacher(), weigh=weigh)
    return Result(job.model, weights, stages=(("pruned at once", job.model, once),), facts={"densities": densities})


def by_channels(job: Job) -> Result:
    """Structured pruning to `share` of the channels (half of them), then retraining."""
    data = job.needs("retraining")
    shares = job.options.get("share")
    if not isinstance(shares, dict):
        share = 0.5 if shares is None else float(shares)
        shares = {layer.name: share for layer in structured.prunable(job.model)}
    model, less = structured.prune_channels(job.model, job.weights, shares)
    teacher = job.teacher()
    weights = train(Network(model), less, data.train, job.recipe(10, 1e-3), teacher=teacher)
    return Result(model, weights, stages=(("channels removed", model, less),))


def by_deep(job: Job) -> Result:
    """Deep Compression: `density`, `bits` a code (one number or one a layer; 4), `share_epochs`."""
    data = job.needs("Deep Compression")
    count = len(weight_layers(job.model))
    bits = job.options.get("bits", 4)
    bits = (int(bits),) * count if isinstance(bits, int | float) else tuple(int(each) for each in bits)
    pruning = job.recipe(10, 1e-3)
    sharing = pruning.with_(epochs=int(job.number("share_epochs", max(1, pruning.epochs // 4))), rate=pruning.rate / 2)
    recipe = deep.DeepRecipe(_densities(job), bits, pruning, sharing)
    done = deep.compress(job.network, job.weights, data.train, recipe, job.teacher())
    settings = deep.execution(job.network, done.shared, job.calibration(), data.divisor) if data.divisor else None
    stages = (("pruned", job.model, done.pruned), ("shared", job.model, done.shared))
    return Result(job.model, done.shared, settings, stages=stages, facts={"densities": recipe.densities})


def _bit_pair(text: Any) -> tuple[int, int]:
    try:
        weight_bits, map_bits = (int(part) for part in str(text).split("/"))
    except ValueError as error:
        raise InputError(f"bits: {text!r}", hint="write bits of weights / bits of feature maps: 8/8, 4/8 or 4/4") from error
    if not (2 <= weight_bits <= 16 and 2 <= map_bits <= 16):
        raise InputError(f"bits: {text!r} are not within 2..16")
    return weight_bits, map_bits


def by_fixed_point(job: Job) -> Result:
    """Dynamic precision: `bits` (8/8), `rule` (squared, or the paper's l1), `per_channel`, `compensate`, `static` (the
    baseline), no retraining."""
    data, x = job.needs("dynamic precision"), job.calibration()
    weight_bits, map_bits = _bit_pair(job.options.get("bits", "8/8"))
    settings: dict[str, Any] = {"weight_bits": weight_bits, "map_bits": map_bits, "rule": job.options.get("rule", "squared")}
    if job.options.get("static"):
        point = fixedpoint.static(job.network, job.weights, x, **settings)
    else:
        settings["per_channel"] = bool(job.options.get("per_channel"))
        if job.options.get("compensate"):
            settings["compensate_on"] = job.network.shaped(data.train.x[:COMPENSATED])
        point = fixedpoint.dynamic(job.network, job.weights, x, **settings)
    execution = None
    if data.divisor and weight_bits <= 8 and map_bits == 8 and not job.options.get("per_channel"):
        execution = Execution(point.fractions, data.divisor, deep.best_formats(job.model, point.weights))
    return Result(job.model, point.weights, execution, point.hook(), facts={"fractions": point.fractions})


def by_low_rank(job: Job) -> Result:
    """Low rank for a `speedup` (4) of the factored layers; `approach` nonlinear, asymmetric, linear or svd; `epochs` of
    fine-tuning (0)."""
    data, x = job.needs("low rank"), job.calibration()
    ranks = job.options.get("ranks")
    if not ranks:
        ranks = lowrank.choose_ranks(job.model, lowrank.spectra(job.model, job.weights, x), job.number("speedup", 4.0))
    model, weights = lowrank.factor(job.model, job.weights, ranks, x, method=job.options.get("approach", "nonlinear"))
    stages = (("factored", model, weights),)
    recipe: Recipe = job.recipe(0, 5e-4)
    if recipe.epochs:
        weights = train(Network(model), weights, data.train, recipe, teacher=job.teacher())
    return Result(model, weights, stages=stages, facts={"ranks": ranks})


def by_ternary(job: Job) -> Result:
    """Ternary weights with trained scales; `fixed` takes the baseline's scale, `threshold` of the largest weight (0.05)."""
    data = job.needs("ternary weights")
    weights = ternary.ternary(
        job.network,
        job.weights,
        data.train,
        job.recipe(10, 1e-3),
        threshold=job.number("threshold", ternary.THRESHOLD),
        trained_scales=not job.options.get("fixed"),
        teacher=job.teacher(),
    )
    return Result(job.model, weights)


METHODS: dict[str, Callable[[Job], Result]] = {
    "prune": by_pruning,
    "channels": by_channels,
    "deep": by_deep,
    "fixedpoint": by_fixed_point,
    "lowrank": by_low_rank,
    "ternary": by_ternary,
}
