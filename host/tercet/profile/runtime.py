# SPDX-License-Identifier: Apache-2.0
"""The runtime table: how fast pages move through the device library, and what a step costs beside its operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tercet import resources, targets
from tercet.board import sync
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.errors import InputError
from tercet.profile import bench as profiling
from tercet.profile import cases
from tercet.profile.cases import EMPTY
from tercet.profile.table import per_run
from tercet.targets import Target

_SIZES = (1, 8, 32)
_BLOCK_KIB = 0.5


def _files(target: Target) -> dict[str, bytes]:
    """Device library, kernels and card driver by their path on the board."""
    files = {f"/lib/tercet_device/{p.name}": p.read_bytes() for p in sorted(resources.device_library().glob("*.py"))}
    files["/lib/tercet_kernels.mpy"] = resources.kernels(target.mpy_arch).read_bytes()
    driver = resources.card_driver(target.mpy_arch)
    return files | ({"/lib/tercet_card.mpy": driver.read_bytes()} if driver else {})


def run(bench: Bench, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows {"name","value","unit","provenance"}: KiB a second for pages of several sizes, checksum included, and one empty step.

    Times are the board's own; a virtual board's are `modelled`.
    """
    target = targets.load(bench.target)
    if not target.card:
        raise InputError(f"{bench.name}: {target.name} has no card in its target file")
    provenance = "measured" if bench.kind == "attached" else "modelled"
    with Board(bench.serial) as board:
        sync.sync(board, _files(target))
        runner = profiling.Bench(board, target, None, store={"kind": "card", **target.card}, progress=say)
        found = per_run(runner.run([cases.empty(), *cases.pages(_SIZES)], profiling.Effort()))
    rows = [_row("step-overhead", found[EMPTY][0].mean, "us", provenance)]
    for name in ("page_out", "page_in"):
        for size in _SIZES:
            micros = found[f"{name}:{size}"][0].mean
            rows.append(_row(f"{name.replace('_', '-')}-{size}-blocks", size * _BLOCK_KIB / micros * 1e6, "KiB/s", provenance))
    return rows


def _row(name: str, value: float, unit: str, provenance: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "provenance": provenance}
