# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles the C core into the wheel. A checkout (or an editable install) compiles it at first use instead."""

import runpy
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithCore(build_py):
    """build_py that adds `_core.so`."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "tercet_virtual_board" / "_core.so"
            target.parent.mkdir(parents=True, exist_ok=True)
            build = runpy.run_path(str(HERE / "tercet_virtual_board" / "build.py"))
            build["compile_core"](HERE / "core", target)


class PlatformDistribution(Distribution):
    """A wheel for this platform only."""

    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithCore}, distclass=PlatformDistribution)
