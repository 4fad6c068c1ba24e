# SPDX-License-Identifier: Apache-2.0
"""The device's constants, generated from `plan_format`: `python -m tercet.plan.generate [--check] FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from tercet import plan_format
from tercet.kernel_table import KERNELS


def device_constants() -> str:
    """The text of device_lib/tercet_device/_format.py."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Generated from host/tercet/plan_format.py by `make generate`; edit that."""',
        "",
        *(f"{name} = {value}" for name, value in plan_format.constants().items()),
        *(f"{name.upper()} = {KERNELS[name].opcode}" for name in KERNELS if name.startswith("read_")),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the file, or with --check says whether it is up to date."""
    path = Path(arguments[-1])
    if "--check" in arguments:
        return 0 if path.read_text() == device_constants() else 1
    path.write_text(device_constants())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
