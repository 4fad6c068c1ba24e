# SPDX-License-Identifier: Apache-2.0
"""Options and types that several verbs share, and the one way to print a result."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, ClassVar

import click

from tercet.errors import TercetError
from tercet.units import parse_bytes


class Size(click.ParamType):
    """Bytes: `96k`, `98304`; with `fraction=True` also `50%`, as a float, of something that the verb names."""

    name = "bytes"

    def __init__(self, *, fraction: bool = False) -> None:
        self.fraction = fraction

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """The number of bytes, or the fraction as a float."""
        if isinstance(value, (int, float)):
            return value
        try:
            if self.fraction and value.endswith("%"):
                return float(value[:-1]) / 100
            return parse_bytes(value)
        except (TercetError, ValueError) as error:
            self.fail(str(error), param, ctx)


class Span(click.ParamType):
    """Seconds: `2h`, `90m`, `30s`."""

    name = "time"
    units_s: ClassVar[dict[str, float]] = {"h": 3600.0, "m": 60.0, "s": 1.0}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds."""
        if isinstance(value, float):
            return value
        try:
            seconds = float(value[:-1]) * self.units_s[value[-1:]]
        except (KeyError, ValueError):
            self.fail(f"{value!r} is no time; write 2h, 90m or 30s", param, ctx)
        if not 0 < seconds < float("inf"):
            self.fail(f"{value!r} is not above zero", param, ctx)
        return seconds


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value on stdout and nothing else.")
board_option = click.option(
    "--board", "board_name", metavar="NAME", help="An attached or running board (default: the virtual one).")
bench_option = click.option(
    "--bench", "bench_file", type=click.Path(exists=True, dir_okay=False), help="A bench file (TOML).")
tile_option = click.option("--tile-bytes", type=Size(), help="Divide larger weights into tiles of outputs, for paging.")
out_option = click.option("-o", "--out", type=click.Path(), help="Where to write the result.")

encrypt = click.option(
    "--encrypt/--no-encrypt", default=True, show_default=True,
    help="Seal pages under a key that never leaves the board's RAM; without it they are only checked against accidents.")
overlap = click.option(
    "--overlap/--no-overlap", default=False, show_default=True,
    help="Move pages beside computation, where the board's card driver is native; takes 8 KB of its heap.")
PLAIN_PAGES = (
    "--no-encrypt: pages go to the card in the clear. Whoever reads the card reads activations, hence about samples; "
    "whoever writes to it can change the training unseen. Only accidents are noticed, by CRC-32."
)


def hardware(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --board and --bench."""
    return board_option(bench_option(command))


def course(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --checkpoint-every, --validate-every and --patience."""
    steps = click.IntRange(0)  # 0, the default: not at all
    command = click.option("--patience", type=steps, default=0, metavar="LOOKS",
                           help="Stop after so many looks without a better loss, with the best weights.")(command)  # fmt: skip
    command = click.option("--validate-every", type=steps, default=0, metavar="STEPS",
                           help="Look at the held-out part every so many steps.")(command)  # fmt: skip
    return click.option("--checkpoint-every", type=steps, default=0, metavar="STEPS",
                        help="Keep a checkpoint that survives any loss of power.")(command)  # fmt: skip


def show(result: Any, as_json: bool, text: str | None = None) -> None:
    """Prints a result on stdout: JSON, or its text (by default one `key: value` line each)."""
    if as_json:
        click.echo(json.dumps(result, allow_nan=False))
    elif text is not None:
        click.echo(text)
    else:
        width = max(map(len, result), default=0)
        for key, value in result.items():
            click.echo(f"{key:<{width}}  {format(value, '.6g') if isinstance(value, float) else value}")


def say(message: str) -> None:
    """Progress and diagnostics go to stderr."""
    click.echo(message, err=True)


class _Progress(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def show_progress() -> None:
    """What the stages log goes to stderr from now on."""
    logger = logging.getLogger("tercet")
    if not any(isinstance(handler, _Progress) for handler in logger.handlers):
        logger.addHandler(_Progress())
        logger.setLevel(logging.INFO)
