# SPDX-License-Identifier: Apache-2.0
"""One choice for all layers: density, bits, rank and format of each, under budgets of flash, RAM and cycles or energy.

Every possibility of a layer is tried alone on the trained network: its bytes in the file, its bytes and cycles when executed,
and how
much the loss rises. CP-SAT then picks one per layer (a multiple-choice knapsack) with the least summed rise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from tercet.compress import codebook, lowrank, prune
from tercet.compress.finetune import softmax
from tercet.compress.fixedpoint import best_length, round_to
from tercet.compress.network import Network, Samples, macs, weight_layers
from tercet.compress.packed import cycles, tensor
from tercet.compress.packed.head import write_head
from tercet.errors import InfeasibleError
from tercet.model.graph import Layer, Model
from tercet.model.weights import Weights
from tercet.units import format_bytes, format_joules

DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01)
BITS = (8, 5, 4, 3)
RANK_SHARES = (0.5, 0.25, 0.125)
SCANNED = 1000
FILE_BYTES = 20  # magic, length, CRC-32 and the length of the description
SETTINGS_BYTES = 60  # of the execution settings in the description
# 3.3 mA at 3 V and 64 MHz, the processor at work from flash with cache and DC/DC (nRF52840 product specification, section 5.2.1).
NJ_PER_CYCLE = 3.3e-3 * 3.0 / 64e6 * 1e9


@dataclass(frozen=True)
class Choice:
    """One possibility of a layer and what it costs; `rank` 0 keeps the layer whole. `rise` is that of the mean loss."""

    layer: str
    density: float
    bits: int
    rank: int
    format: str
    file_bytes: int
    memory_bytes: int
    cycles: int
    rise: float


@dataclass(frozen=True)
class Budget:
    """Limits; None means no limit. Energy is limited through cycles."""

    flash_bytes: int | None = None
    ram_bytes: int | None = None
    cycles: int | None = None

    def limits(self) -> dict[str, int]:
        """The limits that are set."""
        named = {"flash_bytes": self.flash_bytes, "ram_bytes": self.ram_bytes, "cycles": self.cycles}
        return {name: value for name, value in named.items() if value is not None}

    def less(self, over: dict[str, int]) -> Budget:
        """The budget with these limits lowered by so much."""
        return replace(self, **{name: limit - over.get(name, 0) for name, limit in self.limits().items()})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Plan:
    """The chosen possibility of each layer and the sums they were chosen by."""

    choices: dict[str, Choice]
    totals: dict[str, int]
    proven: bool


def energy_to_cycles(joules: float, nj_per_cycle: float = NJ_PER_CYCLE) -> int:
    """The cycles that an energy pays for; modelled."""
    return int(joules * 1e9 / nj_per_cycle)


def _loss(network: Network, weights: Weights, samples: Samples) -> float:
    chance = softmax(network.logits(weights, samples.x).astype(np.float64))
    return float(-np.log(np.maximum(chance[np.arange(len(chance)), samples.labels], 1e-12)).mean())


def _shared(weights: np.ndarray, density: float, bits: int) -> np.ndarray:
    """The layer's weights pruned, clustered and on a grid of 8 bits, all without training."""
    kept = weights * prune.keep_largest(np.abs(weights), density)
    mask = kept != 0
    if not mask.any():
        return kept
    if bits < 8:
        book, codes = codebook.kmeans(kept[mask], 2**bits)
        kept = kept.copy()
        kept[mask] = book[codes]
    return round_to(kept, best_length(kept, kept, 8, "squared"), 8) * mask


def _whole(network: Network, weights: Weights, layer: Layer, samples: Samples, base: float) -> list[Choice]:
    name, found = layer.parameters["w"], []
    places = macs(network.model)[layer.name] // weights[name].size
    for density in DENSITIES:
        for bits in BITS:
            value = _shared(weights[name], density, bits)
            rise = _loss(network, weights | {name: value}, samples) - base
            sizes: dict[int | None, int] = {}
            for cost in cycles.costs(value, places).values():
                order = {"csc": tensor.COLUMNS, "delta": 0}.get(cost.format)
                if order not in sizes:
                    sizes[order] = len(tensor.encode(value, order).data)
                work = round(cost.cycles)
                found.append(Choice(layer.name, density, bits, 0, cost.format, sizes[order], cost.bytes_in_memory, work, rise))
    return _undominated(found)


def _thin(network: Network, weights: Weights, layer: Layer, samples: Samples, base: float) -> list[Choice]:
    """Two thin layers on 8 bits each."""
    found = []
    full = min(len(weights[layer.parameters["w"]]), weights[layer.parameters["w"]][0].size)
    for rank in sorted({max(1, round(share * full)) for share in RANK_SHARES}):
        model, thin = lowrank.factor(network.model, weights, {layer.name: rank}, samples.x)
        names = (layer.parameters["w"], f"{layer.name}_thin.w")
        thin = thin | {name: round_to(thin[name], best_length(thin[name], thin[name], 8, "squared"), 8) for name in names}
        rise = _loss(Network(model), thin, samples) - base
        products = macs(model)
        costs = [
            cycles.costs(thin[name], products[owner] // thin[name].size)["dense"]
            for name, owner in zip(names, (layer.name, f"{layer.name}_thin"), strict=True)
        ]
        size = sum(len(tensor.encode(thin[name]).data) for name in names)
        memory = sum(cost.bytes_in_memory for cost in costs)
        work = round(sum(cost.cycles for cost in costs))
        found.append(Choice(layer.name, 1.0, 8, rank, "dense", size, memory, work, rise))
    return found


def _undominated(choices: list[Choice]) -> list[Choice]:
    """Without those that another beats or equals in everything."""
    kept: list[Choice] = []
    key = lambda c: (c.file_bytes, c.memory_bytes, c.cycles, c.rise)  # noqa: E731
    for choice in sorted(choices, key=key):
        if not any(all(a <= b for a, b in zip(key(other), key(choice), strict=True)) for other in kept):
            kept.append(choice)
    return kept


def possibilities(network: Network, weights: Weights, samples: Samples) -> dict[str, list[Choice]]:
    """The undominated possibilities of each weight layer, measured one at a time on the first samples."""
    part = Samples(samples.x[:SCANNED], samples.labels[:SCANNED]).checked(network.classes)
    base = _loss(network, weights, part)
    thin = {layer.name for layer in lowrank.factorable(network.model)}
    table = {}
    for layer in weight_layers(network.model):
        found = _whole(network, weights, layer, part, base)
        if layer.name in thin:
            found = _undominated(found + _thin(network, weights, layer, part, base))
        table[layer.name] = found
    return table


def fixed_costs(model: Model) -> dict[str, int]:
    """What every choice pays: description, biases and other parameters in the file; maps and sums in RAM."""
    shapes = model.shapes()
    held = {layer.parameters["w"] for layer in weight_layers(model)}
    biases = {layer.parameters["b"] for layer in weight_layers(model) if "b" in layer.parameters}
    rest = sum(p.count * (1 if name in biases else 4) + 6 for name, p in model.parameters.items() if name not in held)
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    maps = max(a + b for a, b in zip(sizes, [*sizes[1:], 0], strict=True))
    flash = FILE_BYTES + SETTINGS_BYTES + len(write_head(model)) + rest
    return {"flash_bytes": flash, "ram_bytes": 2 * maps + 4 * max(sizes[1:]) + rest, "cycles": 0}


def choose(table: dict[str, list[Choice]], fixed: dict[str, int], budget: Budget, time_limit_s: float = 20.0) -> Plan:
    """One choice a layer with the least summed rise within the budget.

    Raises InfeasibleError otherwise; its `smallest` holds the least that each limit could be with the others kept, or alone.
    """
    limits = budget.limits()
    plan = _solve(table, fixed, limits, None, time_limit_s)
    if plan:
        return plan
    nearest: dict[str, float] = {}
    for name in limits:
        others = {other: value for other, value in limits.items() if other != name}
        best = _solve(table, fixed, others, name, time_limit_s) or _solve(table, fixed, {}, name, time_limit_s)
        assert best
        nearest[name] = best.totals[name]
    raise InfeasibleError(
        f"no choice of the layers fits {described(limits)}",
        hint=f"the nearest possible: {described(nearest)}",
        smallest=dict(nearest),
    )


def described(amounts: Mapping[str, float]) -> str:
    """Flash, RAM and cycles in words; the energy that belongs to cycles is modelled."""
    return ", ".join(_said(name, value) for name, value in amounts.items())


def _said(name: str, value: float) -> str:
    if name == "cycles":
        return f"{value:,.0f} cycles ({format_joules(value * NJ_PER_CYCLE * 1e-9)} modelled)"
    return f"{format_bytes(value)} of {'flash' if name == 'flash_bytes' else 'RAM'}"


_FIELDS = {"flash_bytes": "file_bytes", "ram_bytes": "memory_bytes", "cycles": "cycles"}


def _solve(
    table: dict[str, list[Choice]], fixed: dict[str, int], limits: dict[str, int], smallest: str | None, time_limit_s: float
) -> Plan | None:
    """The best plan within `limits`, or the one with the least of `smallest`; None when there is none."""
    model = cp_model.CpModel()
    picks: list[tuple[Any, Choice]] = []
    for choices in table.values():
        mine = [model.new_bool_var("") for _ in choices]
        model.add_exactly_one(mine)
        picks += zip(mine, choices, strict=True)
    sums = {name: fixed[name] + sum(v * int(getattr(c, field)) for v, c in picks) for name, field in _FIELDS.items()}
    for name, limit in limits.items():
        model.add(sums[name] <= limit)
    # 1e-5 of a nat is far below what a thousand samples can tell
    model.minimize(sums[smallest] if smallest else sum(v * round(1e5 * max(c.rise, 0.0)) for v, c in picks))
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # Ctrl-C is the command's
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    chosen = {choice.layer: choice for var, choice in picks if solver.value(var)}
    totals = {n: fixed[n] + sum(int(getattr(c, field)) for c in chosen.values()) for n, field in _FIELDS.items()}
    return Plan(chosen, totals, status == cp_model.OPTIMAL)
