# SPDX-License-Identifier: Apache-2.0
"""Prints package.json, by which `mpremote mip install` finds every file of the library."""

import json
from pathlib import Path

HERE = Path(__file__).parent


def package() -> str:
    """The text: target and source of each file, one a line."""
    names = sorted(path.relative_to(HERE).as_posix() for path in (HERE / "tercet_device").glob("*.py"))
    rows = ",\n  ".join(json.dumps([name, name]) for name in names)
    return f'{{\n "version": "0.1.0",\n "urls": [\n  {rows}\n ],\n "deps": []\n}}\n'


if __name__ == "__main__":
    print(package(), end="")
