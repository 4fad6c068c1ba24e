# SPDX-License-Identifier: Apache-2.0
"""Pages through the device library against what bus, card and processor allow."""

from __future__ import annotations

from typing import Any

from tercet.costs import BLOCK_BYTES
from tercet.profile import bench as profiling
from tercet.profile import cases
from tercet.profile.card_probe import CardTimes
from tercet.profile.cases import EMPTY
from tercet.profile.table import page_cost, per_run

Rows = list[dict[str, Any]]
_SIZES = (4, 32)


def pages(runner: profiling.Bench, card: CardTimes, mode: str, provenance: str) -> Rows:
    """Rows {"name","value","unit","provenance"} of a way to protect pages: throughput, bound and ratio by direction and size.

    The bound is that of the slower of two that work at once: bus and card in turn, or the processor's share. Times without the
    rare stalls of a card.
    """
    raw = runner.run([cases.empty(), *cases.pages(_SIZES), *cases.beside()], profiling.Effort())
    found = per_run(raw)
    rows = [row(f"step-overhead-{mode}", found[EMPTY][0].mean, "us", provenance)]
    for kind, least in (("page_out", card.out_us), ("page_in", card.in_us)):
        cost = page_cost(found, kind, provenance)
        for size in _SIZES:
            bound_us = max(least(size), cost.cpu_us(size * BLOCK_BYTES))
            measured_us = found[f"{kind}:{size}"][0].mean
            name = f"{kind.replace('_', '-')}-{mode}-{size}-blocks"
            rows += [
                row(name, _kib_s(size, measured_us), "KiB/s", provenance),
                row(f"{name}-bound", _kib_s(size, bound_us), "KiB/s", provenance),
                row(f"{name}-of-bound", 100 * bound_us / measured_us, "%", provenance),
            ]
    return rows


def row(name: str, value: float, unit: str, provenance: str) -> dict[str, Any]:
    """A row of the table."""
    return {"name": name, "value": round(value, 3), "unit": unit, "provenance": provenance}


def _kib_s(blocks: int, us: float) -> float:
    return blocks * BLOCK_BYTES / 1024 / us * 1e6
