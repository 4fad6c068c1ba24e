# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr: what happens now, and a bar with the loss while a board trains."""

from __future__ import annotations

import sys
from typing import Any

import click

_WIDTH = 30


class Steps:
    """Follows a run of `steps` steps. On a terminal a bar is drawn in place; elsewhere a line every tenth of the way."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._live = sys.stderr.isatty()
        self._open = False
        self._told = -1

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()

    def say(self, text: str) -> None:
        """A line of its own."""
        self._end_line()
        click.echo(f"tercet: {text}", err=True)

    def transfer(self, path: str, done: int, total: int) -> None:
        """A file on its way to the board."""
        if self._live:
            self._line(f"copying {path} {done * 100 // max(total, 1):3d} %")

    def flashing(self, what: str, share: float) -> None:
        """Firmware on its way to the board."""
        if self._live:
            self._line(f"flashing: {what} {share:4.0%}")

    def event(self, event: dict[str, Any]) -> None:
        """An event of the board's loop."""
        if event["event"] == "step":
            self._bar(event["step"], event["loss"])
        elif event["event"] == "metered":
            times = event["times_us"]
            self.say(f"{len(times)} steps metered, {sum(times) / len(times) / 1000:.1f} ms each")
        elif event["event"] == "evaluated":
            self.say(f"held-out accuracy {event['accuracy']:.2%}")

    def _bar(self, step: int, loss: float) -> None:
        filled = step * _WIDTH // self.steps
        text = f"training [{'#' * filled}{'.' * (_WIDTH - filled)}] {step}/{self.steps}  loss {loss:.4f}"
        tenth = step * 10 // self.steps
        if self._live:
            self._line(text)
        elif tenth > self._told:
            self._told = tenth
            click.echo(f"tercet: {text}", err=True)

    def _line(self, text: str) -> None:
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)
        self._open = True

    def _end_line(self) -> None:
        if self._open:
            click.echo("", err=True)
            self._open = False
