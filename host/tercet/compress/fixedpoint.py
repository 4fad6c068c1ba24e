# SPDX-License-Identifier: Apache-2.0
"""Dynamic-precision fixed point: each layer's weights and each feature map get their own place of the binary point.

Source: Qiu et al. (2016), Going Deeper with Embedded FPGA Platform: weights first, then feature maps layer by
layer on
calibration data, each time the fractional length with the least summed distance to the floating-point net. The
paper sums
absolute distances (`l1`); squared ones (`squared`) serve better. `static` is the baseline with one point for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tercet.compress import compensate
from tercet.compress.codebook import round_to
from tercet.compress.network import Hook, Network, weight_layers
from tercet.errors import InputError
from tercet.model.graph import INPUT, Model
from tercet.model.weights import Weights

RULES: dict[str, Callable[[np.ndarray], float]] = {
    "l1": lambda distance: float(np.abs(distance).sum(dtype=np.float64)),
    "squared": lambda distance: float(np.square(distance, dtype=np.float64).sum()),
}
CANDIDATES = 6  # fractional lengths tried below the one at which nothing saturates, and above
BIAS_BITS = 8


@dataclass(frozen=True)
class FixedPoint:
    """Weights on their grids and the fractional length of each feature map, `{value name: length}`."""

    weights: Weights
    fractions: dict[str, int]
    weight_bits: int
    map_bits: int

    def hook(self) -> Hook:
        """Rounds feature maps during a forward run."""
        return rounding_hook(self.fractions, self.map_bits)


def rounding_hook(fractions: dict[str, int], bits: int) -> Hook:
    """A hook that rounds the values named in `fractions`."""

    def hook(name: str, value: np.ndarray) -> np.ndarray:
        return round_to(value, fractions[name], bits) if name in fractions else value

    return hook


def best_length(values: np.ndarray, target: np.ndarray, bits: int, rule: str) -> int:
    """The fractional length at which `values` rounded to `bits` lie closest to `target`."""
    if rule not in RULES:
        raise InputError(f"no rule is called {rule!r}", hint="l1 (the paper) or squared")
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return 0
    safe = bits - 1 - int(np.ceil(np.log2(largest)))
    tried = range(safe - 1, safe + CANDIDATES)
    return min(tried, key=lambda fraction: RULES[rule](round_to(values, fraction, bits) - target))


def round_weights(
    network: Network,
    weights: Weights,
    bits: int,
    *,
    rule: str = "squared",
    per_channel: bool = False,
    x: np.ndarray | None = None,
) -> Weights:
    """Weights of dense and convolution layers on grids of `bits`, per layer or per output channel; biases on 8 bits.

    With samples `x` the weights of a layer make up for each other's rounding (`compensate.py`); without, zeros stay zero.
    Other parameters (normalisation) stay as they are.
    """
    if not 2 <= bits <= 16:
        raise InputError(f"weights of {bits} bits: 2 to 16 are possible")
    rounded = dict(weights)
    for layer in weight_layers(network.model):
        name = layer.parameters["w"]
        table = weights[name].reshape(len(weights[name]), -1)
        parts = list(table) if per_channel else [table]
        lengths = np.array([best_length(part, part, bits, rule) for part in parts]).repeat(1 if per_channel else len(table))

        def onto_grid(values: np.ndarray, rows: slice, lengths: np.ndarray = lengths) -> np.ndarray:
            return round_to(values, lengths[rows], bits)

        if x is None:
            rounded[name] = round_to(table, lengths[:, None], bits).reshape(weights[name].shape)
        else:
            rounded[name] = compensate.round_layer(network, rounded, layer, x, onto_grid)
        if "b" in layer.parameters:
            rounded[layer.parameters["b"]] = round_bias(weights[layer.parameters["b"]], rule)
    return rounded


def round_bias(bias: np.ndarray, rule: str = "squared") -> np.ndarray:
    """A bias on its own grid of 8 bits."""
    return round_to(bias, best_length(bias, bias, BIAS_BITS, rule), BIAS_BITS)


def map_names(model: Model) -> list[str]:
    """The feature maps that are stored: the input, and each computed value after its activation; in order.

    Pooling by maximum, reshaping and the like keep a grid, so their values need none of their own. The output
    stays as it is:
    only its order matters.
    """
    readers: dict[str, list[str]] = {}
    ops = {layer.name: layer.op for layer in model.layers}
    for layer in model.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer.name)
    names = [INPUT]
    for layer in model.layers:
        then = readers.get(layer.name, [])
        fused = layer.op != "activation" and len(then) == 1 and ops[then[0]] == "activation"
        if layer.op in ("max_pool", "flatten", "reshape", "dropout") or fused or layer.name == model.output:
            continue
        names.append(layer.name)
    return names


def calibrate(
    network: Network, exact: Weights, rounded: Weights, x: np.ndarray, *, bits: int = 8, rule: str = "squared"
) -> dict[str, int]:
    """The fractional length of each feature map, found in order with all earlier ones already rounded.

    `x` are calibration samples of the model's shape (some hundred); raises InputError otherwise.
    """
    if len(x) == 0:
        raise InputError("the calibration set holds no samples")
    names = map_names(network.model)
    truth = network.values(exact, x, set(names))
    fractions: dict[str, int] = {}
    for name in names:
        seen = network.values(rounded, x, {name}, rounding_hook(fractions, bits))[name]
        fractions[name] = best_length(seen, truth[name], bits, rule)
    return fractions


def dynamic(
    network: Network,
    weights: Weights,
    x: np.ndarray,
    *,
    weight_bits: int = 8,
    map_bits: int = 8,
    rule: str = "squared",
    per_channel: bool = False,
    compensate_on: np.ndarray | None = None,
) -> FixedPoint:
    """Fixed point with a place of the binary point per layer and map; `compensate_on` is the `x` of `round_weights`."""
    rounded = round_weights(network, weights, weight_bits, rule=rule, per_channel=per_channel, x=compensate_on)
    fractions = calibrate(network, weights, rounded, x, bits=map_bits, rule=rule)
    return FixedPoint(rounded, fractions, weight_bits, map_bits)


def static(
    network: Network, weights: Weights, x: np.ndarray, *, weight_bits: int = 8, map_bits: int = 8, rule: str = "squared"
) -> FixedPoint:
    """The baseline: one fractional length for all weights and biases, one for all maps."""
    learned = [name for layer in weight_layers(network.model) for name in layer.parameters.values()]
    everything = np.concatenate([weights[name].ravel() for name in learned])
    point = best_length(everything, everything, weight_bits, rule)
    rounded = dict(weights) | {name: round_to(weights[name], point, weight_bits) for name in learned}
    maps = network.values(rounded, x, set(map_names(network.model)))
    values = np.concatenate([value.ravel() for value in maps.values()])
    return FixedPoint(rounded, dict.fromkeys(maps, best_length(values, values, map_bits, rule)), weight_bits, map_bits)
