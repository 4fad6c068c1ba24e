# SPDX-License-Identifier: Apache-2.0
"""A schedule: a list of small actions that can be read aloud."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tercet import artifacts
from tercet.errors import ArtifactError

SCHEMA = "tercet-schedule/1"


@dataclass(frozen=True)
class Compute:
    """The first execution of a node without side effects."""

    node: str
    verb: ClassVar[str] = "compute"


@dataclass(frozen=True)
class Recompute:
    """A further execution of a pure node."""

    node: str
    verb: ClassVar[str] = "recompute"


@dataclass(frozen=True)
class Update:
    """The only execution of a node that writes weights or state."""

    node: str
    verb: ClassVar[str] = "update"


@dataclass(frozen=True)
class PageOut:
    """The start of a transfer of a tensor from RAM to the card; the tensor stays in RAM until it is freed."""

    tensor: str
    verb: ClassVar[str] = "page_out"


@dataclass(frozen=True)
class PageIn:
    """The start of a transfer of a tensor from the card to RAM; its buffer is taken from now on."""

    tensor: str
    verb: ClassVar[str] = "page_in"


@dataclass(frozen=True)
class Free:
    """The release of a tensor's buffer; waits for the end of a transfer out of it."""

    tensor: str
    verb: ClassVar[str] = "free"


Action = Compute | Recompute | PageOut | PageIn | Free | Update
Runs = (Compute, Recompute, Update)
VERBS: dict[str, type] = {kind.verb: kind for kind in (Compute, Recompute, PageOut, PageIn, Free, Update)}


@dataclass(frozen=True)
class Schedule:
    """One training step as actions. `meta` holds what the strategy says about it (status, objective, bound, budgets)."""

    actions: tuple[Action, ...]
    strategy: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def recomputed(self) -> tuple[str, ...]:
        """The nodes that run again, in order, one entry a run."""
        return tuple(a.node for a in self.actions if isinstance(a, Recompute))

    @property
    def paged_out(self) -> tuple[str, ...]:
        """The tensors that go to the card, in order."""
        return tuple(a.tensor for a in self.actions if isinstance(a, PageOut))

    @property
    def paged_in(self) -> tuple[str, ...]:
        """The tensors that come back from the card, in order."""
        return tuple(a.tensor for a in self.actions if isinstance(a, PageIn))

    @property
    def on_card(self) -> frozenset[str]:
        """The tensors that live on the card between steps: nothing pages them out before they are paged in."""
        first: dict[str, type] = {}
        for action in self.actions:
            if isinstance(action, PageIn | PageOut | Free):
                first.setdefault(action.tensor, type(action))
        return frozenset(tensor for tensor, kind in first.items() if kind is PageIn)


def say(action: Action) -> str:
    """An action as one line: `recompute fc2`."""
    return f"{action.verb} {subject(action)}"


def subject(action: Action) -> str:
    """The node or tensor that an action is about."""
    return action.node if isinstance(action, Runs) else action.tensor  # type: ignore[union-attr]


def parse(line: str, where: str = "schedule") -> Action:
    """The action in a line; raises ArtifactError that says where it stood."""
    verb, _, name = line.partition(" ")
    if verb not in VERBS or not name:
        raise ArtifactError(
            f"{where}: {line!r} is no action", hint=f"an action is a verb of {', '.join(VERBS)} and a name"
        )
    return VERBS[verb](name)


def to_body(schedule: Schedule) -> dict[str, Any]:
    """The JSON body of a schedule."""
    return {"strategy": schedule.strategy, "meta": schedule.meta, "actions": [say(a) for a in schedule.actions]}


def save(schedule: Schedule, path: str | Path) -> Path:
    """Writes schedule.json and returns its path."""
    return artifacts.write_json(path, SCHEMA, to_body(schedule), schedule.inputs)


def load(path: str | Path) -> Schedule:
    """The schedule in a file; raises ArtifactError on another kind of file or an unknown action."""
    body = artifacts.read_json(path, SCHEMA)
    lines = body.get("actions")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ArtifactError(f"{path}: `actions` is not a list of lines")
    actions = tuple(parse(line, f"{path}: action {index}") for index, line in enumerate(lines))
    return Schedule(actions, body.get("strategy", ""), dict(body.get("meta", {})), dict(body.get("inputs", {})))
