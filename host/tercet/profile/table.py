# SPDX-License-Identifier: Apache-2.0
"""From a profile's raw times and energies to a cost table, each figure with its confidence."""

from __future__ import annotations

import numpy as np

from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import BoardError
from tercet.measure.statistics import Estimate, difference, estimate, without_outliers
from tercet.profile.bench import Raw
from tercet.profile.cases import BESIDE, EMPTY

_NJ = 1e9


# A region is an outlier by the time that it took: energies also differ by where a meter's samples begin, which means nothing.
_USUAL = 0.02


def per_run(raw: Raw) -> dict[str, tuple[Estimate, Estimate]]:
    """Case name -> (microseconds, net nanojoules) of one run, the empty region subtracted, without outliers.

    Rounds differ by what else board and card did. The interval is that of the difference.
    """
    columns: dict[str, list[int]] = {}
    for column, case in enumerate(raw.cases):
        columns.setdefault(case.name, []).append(column)
    if EMPTY not in columns:
        raise BoardError("the profile has no empty region to subtract")
    edge_nj2 = 0.0 if raw.measurement is None else raw.measurement.edge_variance * _NJ**2
    net_nj = np.zeros_like(raw.time_us) if raw.net_j is None else raw.net_j * _NJ

    def usual(values: np.ndarray, which: list[int]) -> np.ndarray:
        each = values[:, which] / raw.repeats[which], raw.time_us[:, which] / raw.repeats[which]
        return each[0].ravel()[without_outliers(each[1].ravel(), share=_USUAL)]

    empty_us, empty_nj = usual(raw.time_us, columns[EMPTY]), usual(net_nj, columns[EMPTY])
    result = {EMPTY: (estimate(empty_us), estimate(empty_nj))}
    for name, which in columns.items():
        if name != EMPTY:
            start = 1 / raw.repeats[which].mean()
            time, energy = usual(raw.time_us, which), usual(net_nj, which)
            edge = start**2 * edge_nj2
            result[name] = (difference(time, start * empty_us), difference(energy, start * empty_nj, (edge, edge)))
    return result


def page_cost(costs: dict[str, tuple[Estimate, Estimate]], kind: str, provenance: str) -> PageCost:
    """The lines through the costs of several sizes of `page_out` or `page_in`; their CPU time where computation ran beside."""
    sizes = _by_blocks(costs, f"{kind}:")
    if len(sizes) < 2:
        return PageCost(provenance="none")
    fixed_us, block_us = _line({n: time.mean for n, (time, _) in sizes.items()})
    fixed_nj, block_nj = _line({n: energy.mean for n, (_, energy) in sizes.items()})
    together = _by_blocks(costs, f"{kind}_{BESIDE}:")
    alone_us = costs[BESIDE][0].mean if together else 0.0
    cpu_fixed_us, cpu_block_us = _line({n: time.mean - alone_us for n, (time, _) in together.items()}) if together else (0.0, 0.0)
    return PageCost(
        max(fixed_us, 0.0), max(block_us, 0.0), max(cpu_block_us, 0.0), max(fixed_nj, 0.0), max(block_nj, 0.0), provenance,
        max(cpu_fixed_us, 0.0),
    )  # fmt: skip


def _by_blocks(costs: dict[str, tuple[Estimate, Estimate]], prefix: str) -> dict[int, tuple[Estimate, Estimate]]:
    return {int(name.removeprefix(prefix)): value for name, value in costs.items() if name.startswith(prefix)}


def _line(values: dict[int, float]) -> tuple[float, float]:
    """(fixed part, part per block) by least squares in relative error."""
    blocks = np.array(sorted(values), float)
    ordinates = np.array([values[int(n)] for n in blocks])
    weight = 1 / np.maximum(np.abs(ordinates), 1e-9)
    design = np.stack([np.ones_like(blocks), blocks], axis=1) * weight[:, None]
    fixed, slope = np.linalg.lstsq(design, ordinates * weight, rcond=None)[0]
    return float(fixed), float(slope)


def cost_table(
    raw: Raw, *, board: str, firmware: str, meter: str, volts: float, provenance: str, encrypted: bool = False,
    overlap: bool = False, inputs: dict[str, str] | None = None, card_hz: int = 0, card_max_hz: int = 0,
) -> CostTable:  # fmt: skip
    """The cost table of one board, firmware and meter. `provenance` is that of the meter, or of the board's clock without one."""
    costs = per_run(raw)
    ops = {
        name: OpCost(max(time.mean, 0.0), max(energy.mean, 0.0), provenance, _finite(time.ci), _finite(energy.ci))
        for name, (time, energy) in costs.items()
        if name not in (EMPTY, BESIDE) and not name.startswith("page_")
    }
    baseline_mw = 0.0 if raw.measurement is None else raw.measurement.baseline.current_a * volts * 1e3
    return CostTable(
        board, ops, page_cost(costs, "page_out", provenance), page_cost(costs, "page_in", provenance), baseline_mw,
        overlap, firmware, meter, volts, inputs or {}, step=step_cost(raw, provenance), encrypted=encrypted,
        card_hz=card_hz, card_max_hz=card_max_hz,
    )  # fmt: skip


def step_cost(raw: Raw, provenance: str) -> OpCost:
    """What a step costs beside its records: starting, ending, telling the metric."""
    time, energy = per_run(raw)[EMPTY]
    return OpCost(max(time.mean, 0.0), max(energy.mean, 0.0), provenance, _finite(time.ci), _finite(energy.ci))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
