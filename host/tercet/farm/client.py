# SPDX-License-Identifier: Apache-2.0
"""A labgrid farm as tercet sees it:

places with benches, reservations served in order, locks. labgrid's own client does it all.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercet import resources
from tercet.board.flash import tool
from tercet.errors import BoardError, SetupError

RESOURCE = "TercetBench"
TAGS = {"tercet": "bench"}
_CALL_S = 60.0
_VENV = resources.CHECKOUT / "build" / "farm-venv" / "bin"
_SETTINGS = ("mode", "volts", "rail", "card_on_rail", "usb_on_rail")


@dataclass(frozen=True)
class Place:
    """A place that was acquired: what its exporter says of the bench, and the host on which the bench stands."""

    name: str
    host: str
    parameters: dict[str, Any]

    def bench_file(self) -> str:
        """The text of a bench file for a process on that host."""
        given = self.parameters
        lines = ["[bench]", f'name = "{self.name}"', f'target = "{given.get("target_name", "nrf52840dk")}"']
        lines += [f'{key} = "{given[key]}"' for key in ("serial", "probe") if given.get(key)]
        if given.get("meter"):
            lines += ["[meter]", f'kind = "{given.get("meter_kind", "ppk2")}"', f'port = "{given["meter"]}"']
            lines += [f"{key} = {_toml(given[key])}" for key in _SETTINGS if key in given]
        return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def program(role: str) -> str:
    """The path of labgrid's `client`, `coordinator` or `exporter`; raises SetupError when there is none.

    labgrid lives in an environment of its own, because it needs other versions of packages that tercet needs too.
    """
    name = f"labgrid-{role}"
    found = tool.find(name) or (str(_VENV / name) if (_VENV / name).exists() else "")
    if not found:
        raise SetupError("labgrid is not installed", hint="pipx install labgrid; in a checkout: make farm-setup")
    return found


class _LateError(BoardError):
    """A call did not end in time."""


class _ForgottenError(BoardError):
    """The reservation is no more."""


class Farm:
    """The farm of one coordinator, `host:port`. Raises SetupError without labgrid, BoardError when the farm refuses."""

    def __init__(self, coordinator: str) -> None:
        self.coordinator = coordinator
        self._client = program("client")

    def call(self, *words: str, place: str | None = None, token: str | None = None, deadline_s: float = _CALL_S) -> str:
        """What labgrid's client prints."""
        environment = {**os.environ, "LG_COORDINATOR": self.coordinator, **({"LG_TOKEN": token} if token else {})}
        command = [self._client, *(("-p", place) if place else ()), *words]
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline_s,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise _LateError(f"the farm {self.coordinator} does not answer within {deadline_s:g} s") from error
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            gone = any("Reservation" in line and "does not exist" in line for line in last)
            raise (_ForgottenError if gone else BoardError)(f"farm {self.coordinator}: {' '.join(words)}: {' '.join(last)}")
        return done.stdout

    def places(self) -> list[str]:
        """The names of all places."""
        return sorted(line.split()[0] for line in self.call("places").splitlines() if line.strip())

    def benches(self) -> list[str]:
        """The benches that exporters offer now, as exporter/group."""
        found = (line.strip().split("/") for line in self.call("resources").splitlines())
        return sorted(f"{words[0]}/{words[1]}" for words in found if len(words) >= 3 and words[2] == RESOURCE)

    def create(self, name: str, group: str, tags: dict[str, str]) -> None:
        """A place for the bench that an exporter offers under `group`."""
        self.call("create", place=name)
        # a pattern names the exported class; one that matches nothing would make every acquire fail
        self.call("add-match", f"*/{group}/{RESOURCE}", place=name)
        self.call("set-tags", *(f"{key}={value}" for key, value in tags.items()), place=name)

    def reserve(self, **tags: str) -> str:
        """The token of a reservation for any place with these tags; reservations are served in the order in which they came."""
        text = self.call("reserve", "--shell", *(f"{key}={value}" for key, value in tags.items()))
        match = re.search(r"LG_TOKEN=(\w+)", text)
        if not match:
            raise BoardError(f"farm {self.coordinator}: no reservation: {text.strip()}")
        return match[1]

    def wait(self, token: str, deadline_s: float) -> bool:
        """Whether the reservation got its place in time. A reservation that nobody waits for is forgotten after a minute."""
        try:
            self.call("wait", token, deadline_s=deadline_s)
        except _LateError:
            return False
        return True

    def acquire(self, token: str) -> Place:
        """Locks the place of a reservation."""
        text = self.call("-p", "+", "acquire", token=token)
        name = text.split()[-1]
        return self.place(name)

    def lock(self, name: str) -> Place:
        """Locks a place by its name; raises BoardError when somebody else has it."""
        self.call("acquire", place=name)
        return self.place(name)

    def place(self, name: str) -> Place:
        """What an acquired place is."""
        text = self.call("show", place=name)
        at = text.find("{'acquired'")
        if at < 0:
            raise BoardError(f"farm {self.coordinator}: place {name} has no bench: is its exporter running?")
        parameters = dict(ast.literal_eval(text[at : text.index("}}", at) + 2])["params"])
        return Place(name, str(parameters.pop("extra", {}).get("proxy", "localhost")), parameters)

    def release(self, name: str) -> None:
        """Unlocks a place."""
        self.call("release", place=name)

    def cancel(self, token: str) -> None:
        """Ends a reservation, if there still is one."""
        with contextlib.suppress(_ForgottenError):
            self.call("cancel-reservation", token)

    @contextlib.contextmanager
    def reserved(self, wanted: Callable[[], bool], patience_s: float) -> Iterator[Place | None]:
        """The first free bench, locked within the context; None once `wanted`, asked every `patience_s`, says no.

        A reservation that the farm forgot, because this host was too busy to ask in time, is made again.
        """
        token, place = self.reserve(**TAGS), None
        try:
            while place is None:
                try:
                    place = self.acquire(token) if self.wait(token, patience_s) else None
                except _ForgottenError:
                    token = self.reserve(**TAGS)
                if place is None and not wanted():
                    break
            yield place
        finally:
            if place is not None:
                self.release(place.name)
            self.cancel(token)


def default_coordinator(folder: Path) -> str | None:
    """The loopback farm's coordinator, when one was started."""
    path = folder / "address"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None
