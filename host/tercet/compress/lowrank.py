# SPDX-License-Identifier: Apache-2.0
"""Low rank: a layer becomes two thin ones that reproduce its response, after the non-linearity, on real data.

Source: Zhang, Zou, He, Sun (2015), Accelerating Very Deep Convolutional Networks. `linear`: principal components
of the
response. `asymmetric`: the thin layers see what the already approximated net gives them and aim at the exact net's
response.
`nonlinear`: the distance is measured behind the ReLU, by alternating an auxiliary response and a reduced-rank
regression.
`svd` (of the weights, data unseen) stands beside them as the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tercet.compress.network import Network, macs, weight_layers
from tercet.errors import InfeasibleError, InputError
from tercet.model.graph import Layer, Model, Parameter
from tercet.model.weights import Weights

METHODS = ("svd", "linear", "asymmetric", "nonlinear")
PENALTIES = (0.01,) * 12 + (1.0,) * 12  # of the auxiliary response's distance to its regression, round after round
MAX_ROWS = 20000  # responses used in a regression; of a convolution, positions drawn from all images
RIDGE = 1e-6


@dataclass(frozen=True)
class Factors:
    """`second @ (first @ x) + bias` for a layer's `w @ x + b`: second `[outputs, rank]`, first `[rank, inputs]`."""

    first: np.ndarray
    second: np.ndarray
    bias: np.ndarray


def factorable(model: Model) -> list[Layer]:
    """The layers that may be factored: dense and ungrouped convolutions, without the last one, whose outputs are
    few."""
    return [layer for layer in weight_layers(model)[:-1] if layer.attrs.get("groups", 1) == 1]


def _rows(value: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Responses `[rows, outputs]`; positions of images become rows, of which MAX_ROWS are drawn."""
    rows = np.moveaxis(value, 1, -1).reshape(-1, value.shape[1]).astype(np.float64)
    return rows[np.sort(generator.choice(len(rows), MAX_ROWS, replace=False))] if len(rows) > MAX_ROWS else rows


def regression(target: np.ndarray, seen: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(U, V, c) with rank columns minimising sum ||target - U V seen - c||^2: reduced-rank regression, rows are
    samples."""
    mean_target, mean_seen = target.mean(0), seen.mean(0)
    y, x = target - mean_target, seen - mean_seen
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
    full = np.linalg.solve(gram, x.T @ y).T
    _, basis = np.linalg.eigh(full @ gram @ full.T)
    chosen = basis[:, ::-1][:, :rank]
    inner = chosen.T @ full
    return chosen, inner, mean_target - chosen @ (inner @ mean_seen)


def auxiliary(target: np.ndarray, fitted: np.ndarray, penalty: float) -> np.ndarray:
    """The z that minimises (relu(target) - relu(z))^2 + penalty (z - fitted)^2, element by element (their equation
    8)."""
    wanted = np.maximum(target, 0)
    below = np.minimum(fitted, 0)
    above = np.maximum((penalty * fitted + wanted) / (penalty + 1), 0)
    cost_below = wanted**2 + penalty * (below - fitted) ** 2
    cost_above = (above - wanted) ** 2 + penalty * (above - fitted) ** 2
    return np.where(cost_below <= cost_above, below, above)


def fit(target: np.ndarray, seen: np.ndarray, rank: int, nonlinear: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(U, V, c) of the given rank from responses of the exact net (`target`) and of the approximated one (`seen`)."""
    u, v, c = regression(target, seen, rank)
    if not nonlinear:
        return u, v, c
    best, least = (u, v, c), np.inf
    for penalty in PENALTIES:
        fitted = seen @ v.T @ u.T + c
        distance = float(((np.maximum(fitted, 0) - np.maximum(target, 0)) ** 2).sum())
        if distance < least:
            best, least = (u, v, c), distance
        u, v, c = regression(auxiliary(target, fitted, penalty), seen, rank)
    return best


def factor(
    model: Model, weights: Weights, ranks: dict[str, int], x: np.ndarray, *, method: str = "nonlinear", seed: int = 0
) -> tuple[Model, Weights]:
    """The model whose layers named in `ranks` are two thin layers `NAME_thin` and `NAME`; layer by layer from the
    input."""
    if method not in METHODS:
        raise InputError(f"no low-rank method is called {method!r}", hint=", ".join(METHODS))
    allowed = {layer.name: layer for layer in factorable(model)}
    exact, changed, found = Network(model), model, dict(weights)
    if len(x) == 0 and method != "svd":
        raise InputError("the calibration set holds no samples")
    for name, rank in ranks.items():
        if name not in allowed:
            raise InputError(f"{name} cannot be factored", hint=f"one of {', '.join(allowed)}")
        layer = allowed[name]
        w = weights[layer.parameters["w"]].reshape(model.parameters[layer.parameters["w"]].shape[0], -1).astype(np.float64)
        if not 1 <= rank <= min(w.shape):
            raise InputError(f"{name}: a rank of {rank} is not within 1..{min(w.shape)}")
        bias = weights[layer.parameters["b"]] if "b" in layer.parameters else np.zeros(len(w))
        if method == "svd":
            u, s, v = np.linalg.svd(w, full_matrices=False)
            factors = Factors(s[:rank, None] * v[:rank], u[:, :rank], bias)
        else:
            seen_by = (Network(changed), found) if method != "linear" else (exact, weights)
            generators = (np.random.default_rng(seed), np.random.default_rng(seed))
            target = _rows(exact.values(weights, x, {name})[name], generators[0])
            seen = _rows(seen_by[0].values(seen_by[1], x, {name})[name], generators[1])
            u, v, c = fit(target, seen, rank, method == "nonlinear" and _has_relu(model, name))
            factors = Factors(v @ w, u, u @ (v @ bias) + c)
        changed, found = split(changed, found, name, factors)
    return changed, found


def _has_relu(model: Model, name: str) -> bool:
    return any(x.op == "activation" and x.attrs["kind"] == "relu" and name in x.inputs for x in model.layers)


def split(model: Model, weights: Weights, name: str, factors: Factors) -> tuple[Model, Weights]:
    """The model with layer `name` replaced by its two factors; the second keeps the name."""
    layers: list[Layer] = []
    new = dict(weights)
    parameters: dict[str, Parameter] = {}
    rank = len(factors.first)
    for layer in model.layers:
        own = {key: model.parameters[key] for key in layer.parameters.values()}
        if layer.name != name:
            layers.append(layer)
            parameters |= own
            continue
        thin, key = f"{name}_thin", layer.parameters["w"]
        bias_key = layer.parameters.get("b", f"{name}.b")
        width = "units" if layer.op == "dense" else "channels"
        layers.append(Layer(thin, layer.op, layer.inputs, layer.attrs | {width: rank, "bias": False}, {"w": f"{thin}.w"}))
        window = {"kernel": [1, 1], "stride": [1, 1], "pad": [0, 0, 0, 0]} if layer.op == "conv2d" else {}
        layers.append(
            replace(layer, inputs=(thin,), attrs=layer.attrs | window | {"bias": True}, parameters={"w": key, "b": bias_key})
        )
        old = own[key].shape
        shapes = {f"{thin}.w": (rank, *old[1:]), key: (old[0], rank, *[1] * (len(old) - 2)), bias_key: (old[0],)}
        for at, value in zip(shapes, (factors.first, factors.second, factors.bias), strict=True):
            parameters[at] = Parameter(at, shapes[at], "zeros" if at == bias_key else "he", own[key].trainable)
            new[at] = np.ascontiguousarray(value, np.float32).reshape(shapes[at])
    changed = Model(model.name, model.input_shape, tuple(layers), parameters, model.input_dtype)
    return changed, {key: new[key] for key in parameters}


def spectra(model: Model, weights: Weights, x: np.ndarray) -> dict[str, np.ndarray]:
    """The variances of each factorable layer's response along its principal axes, largest first."""
    network, generator = Network(model), np.random.default_rng(0)
    names = {layer.name for layer in factorable(model)}
    found = {}
    for name, value in network.values(weights, x, names).items():
        rows = _rows(value, generator)
        found[name] = np.maximum(np.linalg.eigvalsh(np.cov(rows.T))[::-1], 0)
    return {layer.name: found[layer.name] for layer in factorable(model)}


def choose_ranks(model: Model, variances: dict[str, np.ndarray], speedup: float) -> dict[str, int]:
    """Ranks at which the factored layers together take 1/speedup of their multiply-accumulates.

    Greedy (their section 3.4): again and again drops the axis that loses the least share of its layer's variance per
    multiply-accumulate saved. Raises InfeasibleError, saying the highest speed-up, when even rank 1 everywhere is
    too slow.
    """
    dense = macs(model)
    per_rank = {}
    for layer in factorable(model):
        shape = model.parameters[layer.parameters["w"]].shape
        inputs = int(np.prod(shape[1:]))
        per_rank[layer.name] = dense[layer.name] // (shape[0] * inputs) * (shape[0] + inputs)
    total = sum(dense[name] for name in per_rank)
    if not per_rank or speedup * sum(per_rank.values()) > total:
        highest = total / max(1, sum(per_rank.values()))
        raise InfeasibleError(
            f"{model.name} cannot become {speedup:g} times faster by low rank; at rank 1 it is {highest:.1f} times",
            hint="ask for less",
            smallest={"speedup": highest},
        )
    ranks = {name: len(variances[name]) for name in per_rank}
    kept = {name: float(variances[name].sum()) for name in per_rank}
    while speedup * sum(per_rank[name] * ranks[name] for name in ranks) > total:
        name = min(
            (name for name in ranks if ranks[name] > 1),
            key=lambda name: float(variances[name][ranks[name] - 1]) / max(kept[name], 1e-30) / per_rank[name],
        )
        ranks[name] -= 1
        kept[name] -= float(variances[name][ranks[name]])
    return ranks
