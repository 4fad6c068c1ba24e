# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file without a link to anything outside it."""

from __future__ import annotations

from pathlib import Path

import jinja2

from tercet import __version__, artifacts
from tercet.report.collect import collect
from tercet.units import format_bytes, format_joules


def write(folder: Path) -> Path:
    """Writes report.html of the run in `folder` and returns its path; raises InputError when the run is not complete."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {"bytes": format_bytes, "joules": format_joules}
    text = environment.get_template("page.html.jinja").render(page=collect(folder), version=__version__)
    return artifacts.write_bytes(folder / "report.html", text.encode())
