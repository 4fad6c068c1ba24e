# SPDX-License-Identifier: Apache-2.0
"""A bench: which board, which probe, which meter, and how they are wired. A TOML file, or a board started for the
purpose.

    [bench]
    target = "nrf52840dk"
    serial = "usb:000683456789"        # a device, usb:SERIAL[:INTERFACE], socket://host:port or rfc2217://host:port
    probe = "683456789"                # the probe's USB id, or remote:host:port
    card_max_hz = 32_000_000           # how fast the card's bus may go; leave it out for what every card and wire stands
    [meter]                            # leave it out when there is none: energy is then not measured
    kind = "ppk2"
    port = "usb:C9F2A1B3D4E5:1"
    mode = "ampere"                    # or "source": then the meter powers the board
    volts = 3.0
    rail = "VDD nRF (P22)"
    card_on_rail = false
    usb_on_rail = false
    [pins]                             # inputs of the meter; the default is the wiring of docs/wiring.md
    region = 0
    phases = [1, 2, 3]
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tercet import targets
from tercet.board import virtual
from tercet.errors import InputError
from tercet.targets import Target

_METER_KINDS = ("ppk2", "ina228", "scpi", "recorded")
_MODES = ("ampere", "source")


@dataclass(frozen=True)
class MeterWiring:
    """The meter of a bench.

    `volts` is the rail's voltage (None: unknown, which makes energy invalid); `options` go to the driver.
    """

    kind: str
    port: str
    mode: str = "ampere"
    volts: float | None = None
    rail: str = ""
    card_on_rail: bool = False
    usb_on_rail: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pins:
    """Which of the meter's logic inputs carry the region and the phase code (lowest bit first)."""

    region: int = 0
    phases: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True)
class Bench:
    """A board with its instruments.

    `kind` is `attached` or `virtual`; `card_image` the card's image file where there is one. `card_max_hz`: up to which rate of
    its bus the card is tried; 0: only the target's own.
    """

    name: str
    target: str
    serial: str
    probe: str = ""
    meter: MeterWiring | None = None
    pins: Pins = Pins()
    kind: str = "attached"
    baudrate: int = 115200
    card_image: str = ""
    uf2_drive: str = ""
    pid: int = 0
    card_max_hz: int = 0

    def load_target(self) -> Target:
        """The kind of board, with this bench's limit for the card's bus; raises what `targets.load` raises."""
        found = targets.load(self.target)
        return replace(found, card={**found.card, "max_hz": self.card_max_hz}) if found.card and self.card_max_hz else found


def load(path: Path) -> Bench:
    """The bench in a file; raises InputError that names the faulty entry."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such bench file")
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error
    table = _table(body, "bench", path)
    if body:
        raise InputError(f"{path}: unknown entry {next(iter(body))!r}", hint="sections are [bench], [meter], [pins]")
    meter = table.pop("meter", None)
    pins = table.pop("pins", {})
    try:
        bench = Bench(
            meter=_meter(dict(meter), path) if meter is not None else None, pins=_pins(dict(pins), path),
            **{"name": path.stem, **table},
        )  # fmt: skip
    except TypeError as error:
        raise InputError(f"{path}: [bench]: {str(error).rpartition('__init__() ')[2]}") from error
    targets.load(bench.target)
    if type(bench.card_max_hz) is not int or bench.card_max_hz < 0:
        raise InputError(f"{path}: [bench]: card_max_hz {bench.card_max_hz!r}", hint="hertz, a whole number")
    return bench


def _table(body: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    if not isinstance(body.get(name), dict):
        raise InputError(f"{path}: no section [{name}]")
    table = dict(body.pop(name))
    for section in ("meter", "pins"):
        if section in body:
            table[section] = body.pop(section)
    allowed = {"name", "target", "serial", "probe", "meter", "pins", "baudrate", "uf2_drive", "card_max_hz"}
    if unknown := set(table) - allowed:
        first, known = sorted(unknown)[0], ", ".join(sorted(allowed))
        raise InputError(f"{path}: [bench]: unknown entry {first!r}", hint=f"one of {known}")
    return table


def _meter(table: dict[str, Any], path: Path) -> MeterWiring:
    known = {"kind", "port", "mode", "volts", "rail", "card_on_rail", "usb_on_rail"}
    given = {key: value for key, value in table.items() if key in known}
    options = {key: value for key, value in table.items() if key not in known}
    if given.get("kind") not in _METER_KINDS:
        raise InputError(f"{path}: [meter]: kind {given.get('kind')!r}", hint=f"one of {', '.join(_METER_KINDS)}")
    if given.get("mode", "ampere") not in _MODES:
        raise InputError(f"{path}: [meter]: mode {given['mode']!r}", hint="ampere or source")
    volts = given.get("volts")
    if volts is not None and (not isinstance(volts, (int, float)) or not 0.8 <= volts <= 5.0):
        raise InputError(f"{path}: [meter]: {volts!r} volts", hint="0.8 to 5.0")
    return MeterWiring(**{"port": "", **given}, options=options)


def _pins(table: dict[str, Any], path: Path) -> Pins:
    pins = Pins(table.pop("region", 0), tuple(table.pop("phases", (1, 2, 3))))
    if table:
        raise InputError(f"{path}: [pins]: unknown entry {next(iter(table))!r}", hint="region and phases")
    used = (pins.region, *pins.phases)
    if len(set(used)) != len(used) or any(type(pin) is not int or not 0 <= pin <= 7 for pin in used):
        raise InputError(f"{path}: [pins]: {list(used)}", hint="different inputs of the meter, 0 to 7")
    return pins


def of_running(board: virtual.RunningBoard) -> Bench:
    """The bench of a board that `tercet board start` started."""
    meter = MeterWiring("ppk2", board.meter, "ampere", 3.0, "board and card", card_on_rail=True)
    return Bench(
        board.name, "nrf52840dk", board.serial, f"remote:{board.probe}", meter, kind="virtual", card_image=board.sd or "",
        pid=board.pid,
    )  # fmt: skip


@contextlib.contextmanager
def select(
    board: str | None = None, bench: Path | None = None, *, folder: Path = Path("."), **start: Any
) -> Iterator[Bench]:
    """The bench that `--board NAME` or `--bench FILE` mean, for the duration of a command.

    A name is a running board's or, in `folder`, that of a bench file NAME.toml. Without either a virtual board is
    started (options `start`: image, sd, faults, pace; its default is max) and ended with the command. Raises
    InputError for an unknown name.
    """
    if bench is not None:
        if board is not None:
            raise InputError("--board and --bench were both given", hint="give one of them")
        yield load(bench)
    elif board is not None:
        running = virtual.find(board)
        if running is not None:
            yield of_running(running)
        elif (folder / f"{board}.toml").is_file():
            yield load(folder / f"{board}.toml")
        else:
            names = [b.name for b in virtual.boards()] + [path.stem for path in sorted(folder.glob("*.toml"))]
            raise InputError(f"no board is called {board!r}", hint=f"known here: {', '.join(names) or 'none'}")
    else:
        with virtual.temporary(**{"pace": "max", **start}) as started:
            yield of_running(started)


def attached() -> list[dict[str, Any]]:
    """What is there:

    `{"name","kind","serial","target", ...}` of each USB board that a target claims, and each virtual board.
    """
    from serial.tools import list_ports

    known = [(name, targets.load(name)) for name in targets.names()]
    found = []
    for port in list_ports.comports():
        names = [name for name, target in known if (port.vid, port.pid) in target.usb_ids]
        if names:
            serial = f"usb:{port.serial_number}" if port.serial_number else port.device
            entry = {"name": port.device, "kind": "attached", "serial": serial, "device": port.device}
            found.append({**entry, "targets": names})
    for board in virtual.boards():
        found.append({**board.to_json(), "kind": "virtual", "targets": ["nrf52840dk"]})
    return found
