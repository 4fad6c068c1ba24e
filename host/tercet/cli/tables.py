# SPDX-License-Identifier: Apache-2.0
"""Measured rows as aligned text, as JSON entries and as a Markdown table with date and machine."""

from __future__ import annotations

import datetime
import os
import platform
from typing import Any

Rows = list[dict[str, Any]]


def table(rows: Rows) -> str:
    """Rows of equal keys as aligned columns."""
    if not rows:
        return "nothing was measured"
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(_cell, value))
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def named(rows: Rows) -> Rows:
    """`{"name","value","unit","provenance"}` rows; a workload's figures become a row each."""
    flat: Rows = []
    for row in rows:
        if "name" in row:
            flat.append(row)
            continue
        for unit, key in (("instructions", "instructions"), ("cycles", "cycles"), ("cycles", "cycles_full"), ("B", "ram_bytes")):
            entry = {"name": f"{row['workload']}-{key}", "value": row[key], "unit": unit, "provenance": row["provenance"]}
            flat.append(entry)
    return flat


def markdown(title: str, command: str, rows: Rows) -> str:
    """The rows as a page: title, when and on what machine they were made and by which command, the table."""
    when, load = datetime.date.today().isoformat(), os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load average {load:.1f}"
    lines = [f"# {title}", "", f"Made {when} by `{command}` on {machine}, Python {platform.python_version()}.", ""]
    if rows:
        lines += [_line(list(rows[0])), _line(["---"] * len(rows[0])), *(_line(map(_cell, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
