# SPDX-License-Identifier: Apache-2.0
"""From a profile's raw times and energies to a cost table, each figure with its confidence."""

from __future__ import annotations

import numpy as np

from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import BoardError
from tercet.measure.statistics import Estimate, estimate, without_outliers
from tercet.profile.bench import Raw
from tercet.profile.cases import EMPTY

_NJ = 1e9


def _clean(values: np.ndarray) -> Estimate:
    """The mean without outliers; rounds differ by what else the board did."""
    return estimate(values[without_outliers(values)])


def per_run(raw: Raw) -> dict[str, tuple[Estimate, Estimate]]:
    """Case name -> (microseconds, net nanojoules) of one run, the empty region subtracted."""
    columns: dict[str, list[int]] = {}
    for column, case in enumerate(raw.cases):
        columns.setdefault(case.name, []).append(column)
    if EMPTY not in columns:
        raise BoardError("the profile has no empty region to subtract")
    net_nj = np.zeros_like(raw.time_us) if raw.net_j is None else raw.net_j * _NJ
    at = columns[EMPTY]
    empty_us, empty_nj = raw.time_us[:, at].mean(), net_nj[:, at].mean()
    result = {}
    for name, which in columns.items():
        start_us, start_nj = (0.0, 0.0) if name == EMPTY else (empty_us, empty_nj)
        time = _clean(((raw.time_us[:, which] - start_us) / raw.repeats[which]).ravel())
        result[name] = (time, _clean(((net_nj[:, which] - start_nj) / raw.repeats[which]).ravel()))
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
