# SPDX-License-Identifier: Apache-2.0
"""From a profile's raw times and energies to a cost table, each figure with its confidence."""

from __future__ import annotations

import numpy as np

from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import BoardError
from tercet.measure.statistics import Estimate, difference, estimate, without_outliers
from tercet.profile.bench import Raw
from tercet.profile.cases import EMPTY

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
            result[name] = (difference(time, start * empty_us), difference(energy, start * empty_nj))
    return result


def page_cost(costs: dict[str, tuple[Estimate, Estimate]], kind: str, provenance: str) -> PageCost:
    """The line through the costs of several sizes of `page_out` or `page_in`, by least squares in relative error."""
    sizes = {int(name.partition(":")[2]): value for name, value in costs.items() if name.startswith(f"{kind}:")}
    if len(sizes) < 2:
        return PageCost(provenance="none")
    blocks = np.array(sorted(sizes), float)
    fits = []
    for which in (0, 1):
        values = np.array([sizes[int(n)][which].mean for n in blocks])
        weight = 1 / np.maximum(np.abs(values), 1e-9)
        design = np.stack([np.ones_like(blocks), blocks], axis=1) * weight[:, None]
        fixed, slope = np.linalg.lstsq(design, values * weight, rcond=None)[0]
        fits.append((float(fixed), float(slope)))
    (fixed_us, block_us), (fixed_nj, block_nj) = fits
    return PageCost(max(fixed_us, 0.0), max(block_us, 0.0), 0.0, max(fixed_nj, 0.0), max(block_nj, 0.0), provenance)


def cost_table(
    raw: Raw, *, board: str, firmware: str, meter: str, volts: float, provenance: str, inputs: dict[str, str] | None = None
) -> CostTable:
    """The cost table of one board, firmware and meter. `provenance` is that of the meter, or of the board's clock without one."""
    costs = per_run(raw)
    ops = {
        name: OpCost(max(time.mean, 0.0), max(energy.mean, 0.0), provenance, _finite(time.ci), _finite(energy.ci))
        for name, (time, energy) in costs.items()
        if name != EMPTY and not name.startswith("page_")
    }
    baseline_mw = 0.0 if raw.measurement is None else raw.measurement.baseline.current_a * volts * 1e3
    return CostTable(
        board, ops, page_cost(costs, "page_out", provenance), page_cost(costs, "page_in", provenance), baseline_mw,
        False, firmware, meter, volts, inputs or {}, step=step_cost(raw, provenance),
    )  # fmt: skip


def step_cost(raw: Raw, provenance: str) -> OpCost:
    """What a step costs beside its records: starting, ending, telling the metric."""
    time, energy = per_run(raw)[EMPTY]
    return OpCost(max(time.mean, 0.0), max(energy.mean, 0.0), provenance, _finite(time.ci), _finite(energy.ci))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
