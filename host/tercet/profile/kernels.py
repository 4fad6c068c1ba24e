# SPDX-License-Identifier: Apache-2.0
"""The kernel table: instructions and cycles of training steps and single kernels, on a core without wait states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tercet import resources
from tercet.board import bare
from tercet.board.bench import Bench
from tercet.errors import InputError

# The largest network of the table does not fit the 256 KiB of the nRF52840.
RAM_KB = 1024


def run(bench: Bench, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows {"workload", "instructions", "cycles", "cycles_per_mac", "ram_bytes", "provenance"}.

    One step of a network is forward, loss, backward and SGD update, on dense random data; `ram_bytes` counts every
    tensor of the workload. Cycles follow the documented table of the emulated core (`modelled`), instructions are counted
    in a second run of the same image. `bench` must be the emulated board: a row needs more RAM than the real one has.
    """
    if bench.kind == "attached":
        raise InputError(f"{bench.name}: the kernel table is made on the emulated core", hint="leave out --board and --bench")
    image = resources.bench_image()
    say("timing the kernels, cycles")
    timed = list(bare.run(image, ram_kb=RAM_KB))
    say("timing the kernels, instructions")
    counted = {row["workload"]: row["cycles"] for row in bare.run(image, ram_kb=RAM_KB, cycle_model="instructions")}
    return [_row(entry, counted[entry["workload"]]) for entry in timed]


def _row(entry: dict[str, Any], instructions: int) -> dict[str, Any]:
    per_mac = round(entry["cycles"] / entry["macs"], 3) if entry["macs"] else None
    return {
        "workload": entry["workload"], "instructions": instructions, "cycles": entry["cycles"], "cycles_per_mac": per_mac,
        "ram_bytes": entry["ram_bytes"], "provenance": "modelled",
    }  # fmt: skip
