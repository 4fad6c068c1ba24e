# SPDX-License-Identifier: Apache-2.0
"""The report's pictures, each as the text of an SVG element."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# One colour for each phase, readable without colour vision and in print.
PHASE_COLOURS = {
    "input": "#9a9a9a", "forward": "#4477aa", "loss": "#aa3377", "backward": "#66ccee", "update": "#228833",
    "recompute": "#ee6677", "paging": "#ccbb44", "idle": "#dddddd",
}


def _figure(width: float = 8.0, height: float = 3.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def svg(figure: Figure) -> str:
    """The figure as an `<svg>` element that scales with the page and is the same for the same data."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'width="100%"', text, count=1)


def loss_curve(steps: Sequence[int], losses: Sequence[float], metered_steps: int) -> str:
    """Training loss against step; the metered steps are shaded."""
    figure, axes = _figure()
    axes.plot(steps, losses, color="#4477aa", linewidth=1.4)
    if metered_steps:
        axes.axvspan(0, metered_steps, color="#ccbb44", alpha=0.3, label="metered")
        axes.legend(frameon=False)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.set_ylim(bottom=0)
    return svg(figure)


def memory(times_ms: Sequence[float], used_bytes: Sequence[int], budget_bytes: int, keep_all: Sequence[int]) -> str:
    """Bytes of the arena in use against the time of a step, below the budget; beside it the same step keeping everything.

    `keep_all` has its own number of events and is stretched over the same time.
    """
    figure, axes = _figure()
    if keep_all:
        span = times_ms[-1] if times_ms else 1.0
        at = [span * i / max(1, len(keep_all) - 1) for i in range(len(keep_all))]
        axes.step(at, [b / 1024 for b in keep_all], color="#bbbbbb", where="post", label="keeping everything")
    axes.fill_between(times_ms, [b / 1024 for b in used_bytes], step="post", color="#4477aa", alpha=0.35)
    axes.step(times_ms, [b / 1024 for b in used_bytes], where="post", color="#4477aa", label="this schedule")
    axes.axhline(budget_bytes / 1024, color="#ee6677", linestyle="--", label="budget")
    axes.set_xlabel("time in the step, ms")
    axes.set_ylabel("arena, KiB")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="lower center", ncols=3)
    return svg(figure)


def energy(predicted_mj: dict[str, float], metered_mj: dict[str, float]) -> str:
    """Energy of a step by phase, predicted beside metered."""
    phases = [p for p in PHASE_COLOURS if p in predicted_mj or p in metered_mj]
    figure, axes = _figure(height=0.6 + 0.45 * len(phases))
    rows = range(len(phases))
    axes.barh([r - 0.2 for r in rows], [predicted_mj.get(p, 0) for p in phases], 0.38, color="#bbbbbb", label="predicted")
    colours = [PHASE_COLOURS[p] for p in phases]
    axes.barh([r + 0.2 for r in rows], [metered_mj.get(p, 0) for p in phases], 0.38, color=colours, label="metered")
    axes.set_yticks(list(rows), phases)
    axes.invert_yaxis()
    axes.set_xlabel("energy of a step, mJ")
    axes.legend(frameon=False)
    return svg(figure)


def trace(times_ms: Sequence[float], current_ma: Sequence[float], phases: Sequence[str]) -> str:
    """Current of one metered step against time, coloured by the phase on the marker pins."""
    figure, axes = _figure()
    start = 0
    seen = set()
    for i in range(1, len(phases) + 1):
        if i == len(phases) or phases[i] != phases[start]:
            phase = phases[start]
            label = None if phase in seen else phase
            seen.add(phase)
            stop = min(i + 1, len(phases))
            axes.plot(times_ms[start:stop], current_ma[start:stop], color=PHASE_COLOURS.get(phase, "#000000"), linewidth=0.8,
                      label=label)
            start = i
    axes.set_xlabel("time, ms")
    axes.set_ylabel("current, mA")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return svg(figure)
