# SPDX-License-Identifier: Apache-2.0
"""Puts what goes onto a board into the wheel: device library, native modules, firmware. A user then needs no compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BoardFiles(BuildHookInterface):
    """Adds the built files that `tercet.resources` looks for beside the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install finds the same files in the checkout."""
        if version == "editable":
            return
        root = Path(self.root)
        built = root / "build" / "firmware"
        files = {root / "device_lib" / "tercet_device": "tercet/_board/tercet_device"}
        for module in built.glob("natmod/*/*/*.mpy"):
            files[module] = f"tercet/_board/{module.relative_to(built).as_posix()}"
        files[built / "nrf52840" / "firmware.hex"] = "tercet/_board/firmware/nrf52840dk.hex"
        files[built / "bench" / "kernels.elf"] = "tercet/_board/bench/kernels.elf"
        for path, place in files.items():
            if path.exists():
                build_data["force_include"][str(path)] = place
            else:
                self.app.display_warning(f"{path.relative_to(root)} is not built: make firmware kernels")
