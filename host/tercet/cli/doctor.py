# SPDX-License-Identifier: Apache-2.0
"""`tercet doctor`: what is here, what is missing, and the one command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import click

from tercet import resources
from tercet.cli import options
from tercet.errors import TercetError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `needed`: without it the everyday jobs do not run."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
    needed: bool = True


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or later")


def _package(name: str) -> Callable[[], Finding]:
    def look() -> Finding:
        try:
            return Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            return Finding(name, False, "not installed", f"pip install {name}")

    return look


def _virtual_board() -> Finding:
    # looked up by its distribution: the kit does not import it
    try:
        return Finding("virtual board", True, importlib.metadata.version("tercet-virtual-board"), needed=False)
    except importlib.metadata.PackageNotFoundError:
        return Finding("virtual board", False, "not installed", "pip install tercet-virtual-board", needed=False)


def _resource(name: str, find: Callable[[], object]) -> Callable[[], Finding]:
    def look() -> Finding:
        try:
            return Finding(name, True, str(find()))
        except TercetError as error:
            return Finding(name, False, error.message, error.hint)

    return look


def _tool(command: str, package: str) -> Callable[[], Finding]:
    def look() -> Finding:
        path = shutil.which(command)
        return Finding(command, path is not None, path or "not found", f"apt-get install {package}", needed=False)

    return look


def _onnx() -> Finding:
    found = importlib.util.find_spec("onnx") is not None
    return Finding("onnx import", found, "ready" if found else "not installed", "pip install 'tercet[onnx]'", needed=False)


CHECKS: tuple[Callable[[], Finding], ...] = (
    _python, *(_package(name) for name in ("numpy", "ortools", "pyserial", "mpremote", "pyocd")), _virtual_board,
    _resource("device library", resources.device_library), _resource("kernels", lambda: resources.kernels("armv7emsp")),
    _resource("firmware", lambda: resources.firmware("nrf52840dk")), _onnx,
    _tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
)  # fmt: skip


@click.command()
@options.json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is installed, what is missing and the command that mends it; exit 1 when an everyday job cannot run.

    \b
    Example:
      tercet doctor
    """
    findings = [check() for check in CHECKS]
    lines = [
        f"{'ok     ' if f.ok else 'MISSING' if f.needed else 'absent '}  {f.name:<18} {f.detail}"
        + ("" if f.ok or not f.mend else f"\n{'':<27} mend: {f.mend}")
        for f in findings
    ]
    options.show([asdict(f) for f in findings], as_json, "\n".join(lines))
    ctx.exit(0 if all(f.ok for f in findings if f.needed) else 1)
