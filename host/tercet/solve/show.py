# SPDX-License-Identifier: Apache-2.0
"""Pictures of a schedule: operators along x, time downwards, memory beside it; as SVG and as text.

The layout follows Figure 2 of POET (Patil et al., 2022): one column a node; what happens to its output stands in the
same column.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from tercet.solve.outcome import Event, Replay
from tercet.solve.problem import Problem
from tercet.solve.replay import check
from tercet.solve.schedule import Runs, Schedule, say, subject
from tercet.units import format_bytes

COLOURS = {"compute": "#3b6fb6", "update": "#6a4c93", "recompute": "#e08e0b", "page_out": "#c0392b", "page_in": "#2e8b57"}
SIGNS = {"compute": "#", "update": "U", "recompute": "R", "page_out": "v", "page_in": "^"}
_LEFT, _TOP, _GRID, _MEMORY, _HEIGHT = 60, 40, 620, 220, 560


def _columns(problem: Problem) -> dict[str, int]:
    """Node or tensor -> column; weights and state stand in the column of their first reader."""
    columns: dict[str, int] = {}
    for position, op in enumerate(problem.ops):
        columns[op.name] = position
        for tensor in (*op.outputs, *op.reads):
            columns.setdefault(tensor, position)
    # a tensor may be called like a node; then they share the node's column, which is what is wanted
    return columns


def _lives(problem: Problem, outcome: Replay) -> list[tuple[str, int, int]]:
    """(tensor, from, to) in nanoseconds: when each buffer that is not persistent is in RAM."""
    began: dict[str, int] = {}
    lives = []
    for event in outcome.events:
        action = event.action
        if isinstance(action, Runs):
            op = problem.ops[problem.index[action.node]]
            for _, source in op.inplace:
                if source in began:
                    lives.append((source, began.pop(source), event.end_ns))
            for tensor in op.outputs:
                began.setdefault(tensor, event.start_ns)
        elif action.verb == "page_in":
            began.setdefault(action.tensor, event.start_ns)
        elif action.verb == "free" and action.tensor in began:
            lives.append((action.tensor, began.pop(action.tensor), event.end_ns))
    return lives + [(tensor, start, outcome.time_ns) for tensor, start in began.items()]


def svg(problem: Problem, schedule: Schedule) -> str:
    """The picture as an SVG document; raises `IllegalError` for a schedule that the replay refuses."""
    outcome = check(problem, schedule)
    columns = _columns(problem)
    wide, high = _GRID / max(len(problem.ops), 1), _HEIGHT / max(outcome.time_ns, 1)
    parts = [_head(problem, outcome)]
    for tensor, start, end in _lives(problem, outcome):
        parts.append(_box(_LEFT + columns[tensor] * wide, _TOP + start * high, wide, (end - start) * high, "#dfe6ee", tensor))
    for event in outcome.events:
        verb = event.action.verb
        if verb == "free":
            continue
        start, end = (event.bus_start_ns, event.bus_end_ns) if verb.startswith("page") else (event.start_ns, event.end_ns)
        title = f"{say(event.action)}: {(end - start) / 1e6:.3f} ms, {event.net_pj / 1e6:.3f} uJ"
        x, y = _LEFT + columns[subject(event.action)] * wide, _TOP + start * high
        parts.append(_box(x, y, max(wide - 0.5, 1), max((end - start) * high, 1.5), COLOURS[verb], title))
    return "\n".join([*parts, _memory(problem, outcome, high), _legend(), "</svg>"]) + "\n"


def _box(x: float, y: float, width: float, height: float, colour: str, title: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}"><title>{escape(title)}</title></rect>'


def _head(problem: Problem, outcome: Replay) -> str:
    width, height = _LEFT + _GRID + 40 + _MEMORY + 20, _TOP + _HEIGHT + 60
    ticks = "".join(
        f'<text x="{_LEFT - 6}" y="{_TOP + part * _HEIGHT / 4 + 4}" text-anchor="end">{outcome.time_ms * part / 4:.1f}</text>'
        for part in range(5)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f'<text x="{_LEFT}" y="20" font-size="13">{escape(problem.name)}: {len(problem.ops)} operators along x, '
        f"milliseconds downwards</text>{ticks}"
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_GRID}" height="{_HEIGHT}" fill="none" stroke="#888"/>'
    )


def _memory(problem: Problem, outcome: Replay, high: float) -> str:
    """The extent in RAM over time, and the budget."""
    left = _LEFT + _GRID + 40
    top = max(outcome.peak_bytes, problem.ram_bytes or 0, 1)
    points = []
    for event in outcome.events:
        x = left + event.bytes_during / top * _MEMORY
        points += [f"{x:.1f},{_TOP + event.start_ns * high:.1f}", f"{x:.1f},{_TOP + event.end_ns * high:.1f}"]
    line = f'<polyline points="{" ".join(points)}" fill="none" stroke="#3b6fb6"/>'
    label = f'<text x="{left}" y="{_TOP - 6}">RAM, peak {format_bytes(outcome.peak_bytes)}</text>'
    frame = f'<rect x="{left}" y="{_TOP}" width="{_MEMORY}" height="{_HEIGHT}" fill="none" stroke="#888"/>'
    if problem.ram_bytes is None:
        return frame + line + label
    x = left + problem.ram_bytes / top * _MEMORY
    budget = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_TOP + _HEIGHT}" stroke="#c0392b" stroke-dasharray="4 3"/>'
    note = f'<text x="{left}" y="{_TOP + _HEIGHT + 16}" fill="#c0392b">budget {format_bytes(problem.ram_bytes)}</text>'
    return frame + line + budget + label + note


def _legend() -> str:
    parts = []
    for index, (verb, colour) in enumerate([*COLOURS.items(), ("in RAM", "#dfe6ee")]):
        x, y = _LEFT + index * 100, _TOP + _HEIGHT + 30
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 16}" y="{y + 10}">{verb.replace("_", " ")}</text>')
    return "".join(parts)


def text(problem: Problem, schedule: Schedule, width: int = 72) -> str:
    """The picture in characters: one line an execution or transfer, a bar of RAM beside it."""
    outcome = check(problem, schedule)
    columns = _columns(problem)
    count = max(len(problem.ops), 1)
    scale = min(1.0, width / count)
    top = max(outcome.peak_bytes, problem.ram_bytes or 0, 1)
    budget = f", budget {format_bytes(problem.ram_bytes)}" if problem.ram_bytes is not None else ""
    sums = f"{outcome.time_ms:.3f} ms, {outcome.energy_j:.6g} J"
    lines = [f"{problem.name}: peak {format_bytes(outcome.peak_bytes)}{budget}, {sums}"]
    spans = _lives(problem, outcome)
    for event in outcome.events:
        if event.action.verb != "free":
            lines.append(_line(event, columns, spans, (scale, int(count * scale), top)))
    lines.append("# compute   U update   R recompute   v page out   ^ page in   . in RAM")
    return "\n".join(lines)


def _line(event: Event, columns: dict[str, int], spans: list[tuple[str, int, int]], shape: tuple[float, int, int]) -> str:
    scale, width, top = shape
    cells = [" "] * (width + 1)
    for tensor, start, end in spans:
        if start <= event.start_ns < end:
            cells[int(columns[tensor] * scale)] = "."
    cells[int(columns[subject(event.action)] * scale)] = SIGNS[event.action.verb]
    bar = "=" * round(20 * event.bytes_during / top)
    return f"{event.start_ns / 1e6:10.3f} |{''.join(cells)}| {bar:<20} {event.bytes_during:>9} {say(event.action)}"
