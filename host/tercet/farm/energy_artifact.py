# SPDX-License-Identifier: Apache-2.0
"""What an energy test leaves behind: a JSON artefact, a plot of its capture, and baselines that are committed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts
from tercet.errors import InputError
from tercet.measure import energy
from tercet.measure.energy import Measurement
from tercet.measure.verdict import Verdict
from tercet.profile.region import Metered

SCHEMA = "tercet-energy-test/1"
BASELINES = "tercet-energy-baselines/1"
_POINTS = 4000


def key(board: str, meter: str, rail: str) -> str:
    """Under which a baseline stands: figures of another board, meter or rail are other quantities."""
    return f"{board} | {meter} | {rail or 'unnamed rail'}"


def read_baseline(path: Path, where: str, test: str) -> float | None:
    """The baseline of a test in microjoules, None when there is none yet."""
    if not path.is_file():
        return None
    body = artifacts.read_json(path, BASELINES)
    entry = body.get("baselines", {}).get(where, {}).get(test)
    if entry is None:
        return None
    return artifacts.finite(entry.get("net_uj"), f"{path}: {where}: {test}: net_uj", minimum=float("-inf"))


def write_baseline(path: Path, where: str, test: str, measurement: Measurement) -> None:
    """Puts the measurement into the file beside those of other benches; raises InputError when it is INVALID."""
    if not measurement.valid:
        raise InputError(f"{test}: an INVALID measurement cannot become a baseline")
    baselines: dict[str, Any] = {}
    if path.is_file():
        baselines = artifacts.read_json(path, BASELINES)["baselines"]
    net = measurement.net
    baselines.setdefault(where, {})[test] = {
        "net_uj": net.mean * 1e6, "ci_uj": net.ci * 1e6 if np.isfinite(net.ci) else None, "provenance": measurement.provenance,
    }  # fmt: skip
    artifacts.write_json(path, BASELINES, {"baselines": baselines})


def write(folder: Path, test: str, metered: Metered | None, verdict: Verdict, where: str) -> Path:
    """Writes the artefact of a test and, where there is a capture, its plot; returns the artefact's path."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", test).strip("_")
    body = {
        "test": test, "bench": where, "verdict": verdict.outcome, "reasons": list(verdict.reasons), "value_uj": verdict.value_uj,
        "ci_uj": verdict.ci_uj, "measurement": energy.to_body(metered.measurement) if metered else None,
        "plot": f"{stem}.png" if metered else None,
    }  # fmt: skip
    if metered:
        plot(metered, folder / f"{stem}.png", f"{test}: {verdict.outcome}")
    return artifacts.write_json(folder / f"{stem}.json", SCHEMA, body)


def plot(metered: Metered, path: Path, title: str) -> None:
    """The current over time with the regions shaded, thinned to the extremes of each stretch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    capture = metered.capture
    figure = Figure(figsize=(9, 3))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    stretch = max(1, len(capture) // _POINTS)
    used = len(capture) // stretch * stretch
    parts = np.nan_to_num(capture.current_a[:used].reshape(-1, stretch)) * 1e3
    times = np.arange(len(parts)) * stretch / capture.rate_hz * 1e3
    axes.fill_between(times, parts.min(axis=1), parts.max(axis=1), color="#2b6cb0", linewidth=0.4)
    level = (capture.logic[:used].reshape(-1, stretch) & 1).max(axis=1).astype(bool)
    axes.fill_between(times, 0, parts.max(initial=1e-3), where=level.tolist(), color="#f6ad55", alpha=0.25, linewidth=0)
    axes.set_xlabel("ms")
    axes.set_ylabel("mA")
    axes.set_title(f"{title} ({metered.measurement.provenance})", fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
