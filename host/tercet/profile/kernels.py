# SPDX-License-Identifier: Apache-2.0
"""The kernel table: instructions and cycles of training steps and single kernels, on a core without wait states and with them."""

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
    """Rows {"workload", "instructions", "cycles", "cycles_full", "cycles_per_mac", "ram_bytes", "provenance"}.

    One step of a network is forward, loss, backward and SGD update, on dense random data; `ram_bytes` counts every
    tensor of the workload. Cycles follow the documented table of the emulated core (`modelled`) at zero wait states; in
    further runs of the same image `cycles_full` has the flash's wait states and cache besides, and instructions are
    counted. `bench` must be the emulated board: a row needs more RAM than the real one has.
    """
    if bench.kind == "attached":
        raise InputError(f"{bench.name}: the kernel table is made on the emulated core", hint="leave out --board and --bench")
    image = resources.bench_image()
    say("timing the kernels, cycles")
    timed = list(bare.run(image, ram_kb=RAM_KB))
    others = []
    for model, what in (("full", "cycles with wait states"), ("instructions", "instructions")):
        say(f"timing the kernels, {what}")
        others.append({row["workload"]: row["cycles"] for row in bare.run(image, ram_kb=RAM_KB, cycle_model=model)})
    return [_row(entry, *(counts[entry["workload"]] for counts in others)) for entry in timed]


def _row(entry: dict[str, Any], full: int, instructions: int) -> dict[str, Any]:
    per_mac = round(entry["cycles"] / entry["macs"], 3) if entry["macs"] else None
    return {
        "workload": entry["workload"], "instructions": instructions, "cycles": entry["cycles"], "cycles_full": full,
        "cycles_per_mac": per_mac, "ram_bytes": entry["ram_bytes"], "provenance": "modelled",
    }  # fmt: skip
