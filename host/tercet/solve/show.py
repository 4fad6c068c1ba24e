# SPDX-License-Identifier: Apache-2.0
"""A schedule as a picture: operators along x, time downwards, memory beside it; as SVG and for the terminal.

The arrangement is that of Figure 2 of POET (Patil et al., ICML 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from tercet.solve.problem import Problem
from tercet.solve.replay import Event, replay
from tercet.solve.schedule import Compute, Free, PageIn, PageOut, Recompute, Schedule, Update

_COLOURS = {"compute": "#4477aa", "recompute": "#ee6677", "update": "#228833", "page out": "#ccbb44", "page in": "#aa7700"}
_LETTERS = {"compute": "#", "recompute": "R", "update": "U", "page out": ">", "page in": "<"}
_CELL, _ROW, _LEFT, _TOP, _BAR = 14, 11, 70, 130, 220
_KINDS = ((Compute, "compute"), (Recompute, "recompute"), (Update, "update"), (PageOut, "page out"), (PageIn, "page in"))


@dataclass(frozen=True)
class _Row:
    """One action: the column of its operator (a transfer stands in its producer's), what it is, when, how full RAM is."""

    column: int
    kind: str
    name: str
    start_ms: float
    nbytes: int


def _rows(problem: Problem, schedule: Schedule) -> list[_Row]:
    producer = {tensor: i for i, op in enumerate(problem.ops) for tensor in op.outputs}
    rows = []
    for event in replay(problem, schedule).events:
        if isinstance(event.action, Free):
            continue
        kind = next(name for action, name in _KINDS if isinstance(event.action, action))
        rows.append(_Row(_column(problem, producer, event), kind, _subject(event), event.start_ns / 1e6, event.bytes_during))
    return rows


def _subject(event: Event) -> str:
    action = event.action
    return action.node if isinstance(action, Compute | Recompute | Update) else action.tensor


def _column(problem: Problem, producer: dict[str, int], event: Event) -> int:
    action = event.action
    if isinstance(action, Compute | Recompute | Update):
        return problem.index[action.node]
    return producer.get(action.tensor, 0)


def svg(problem: Problem, schedule: Schedule) -> str:
    """The picture as an `<svg>` element: a row an action, hover texts with name, time and bytes."""
    rows = _rows(problem, schedule)
    columns = len(problem.ops)
    width, height = _LEFT + columns * _CELL + 30 + _BAR, _TOP + len(rows) * _ROW + 50
    budget = problem.ram_bytes or max((row.nbytes for row in rows), default=1)
    scale = _BAR / max(budget, max((row.nbytes for row in rows), default=1))
    box = f'viewBox="0 0 {width} {height}" width="100%"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="9">']
    for i, op in enumerate(problem.ops):
        x = _LEFT + i * _CELL + _CELL / 2 + 3
        parts.append(f'<text transform="translate({x},{_TOP - 6}) rotate(-60)">{escape(op.name)}</text>')
    bar = _LEFT + columns * _CELL + 30
    parts.append(f'<text x="{bar}" y="{_TOP - 6}">RAM in use (line: the budget)</text>')
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        title = f"{row.kind} {row.name}, {row.start_ms:.3f} ms, {row.nbytes} bytes"
        parts.append(
            f'<g><title>{escape(title)}</title><rect x="{_LEFT + row.column * _CELL}" y="{y}" width="{_CELL - 1}" '
            f'height="{_ROW - 1}" fill="{_COLOURS[row.kind]}"/>'
            f'<rect x="{bar}" y="{y}" width="{row.nbytes * scale:.1f}" height="{_ROW - 1}" fill="#b8cce0"/></g>'
        )
        if number % 5 == 0:
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 8}" text-anchor="end">{row.start_ms:.1f} ms</text>')
    end = _TOP + len(rows) * _ROW
    limit = f"{bar + budget * scale:.1f}"
    parts.append(f'<line x1="{limit}" x2="{limit}" y1="{_TOP}" y2="{end}" stroke="#cc3311"/>')
    for i, (kind, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + i * 85
        parts.append(f'<rect x="{x}" y="{end + 20}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="{end + 29}">{kind}</text>')
    return "\n".join([*parts, "</svg>"])


def text(problem: Problem, schedule: Schedule, width: int = 100) -> str:
    """The picture for a terminal of `width` characters: operators share a column where there are more of them than room."""
    rows = _rows(problem, schedule)
    room = max(10, width - 34)
    share = -(-len(problem.ops) // room)
    columns = -(-len(problem.ops) // share)
    lines = [f"{len(problem.ops)} operators, {share} a column; " + "  ".join(f"{v} {k}" for k, v in _LETTERS.items())]
    for row in rows:
        cells = [" "] * columns
        cells[row.column // share] = _LETTERS[row.kind]
        lines.append(f"{row.start_ms:>10.3f} ms |{''.join(cells)}| {row.nbytes / 1024:>9.1f} KiB")
    return "\n".join(lines)
