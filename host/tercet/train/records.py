# SPDX-License-Identifier: Apache-2.0
"""run.jsonl: what a board told in one run, its head first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tercet import __version__, artifacts
from tercet.errors import ArtifactError, InputError

SCHEMA = "tercet-run/1"


def save(path: str | Path, events: list[dict[str, Any]], inputs: dict[str, str], **head: Any) -> Path:
    """Writes the head (`schema`, `inputs`, `made_by` and what else is given) and a line an event; returns the path."""
    first = {"schema": SCHEMA, "inputs": inputs, "made_by": f"tercet {__version__}", **head}
    lines = [json.dumps(entry, allow_nan=False) for entry in (first, *events)]
    return artifacts.write_bytes(path, ("\n".join(lines) + "\n").encode())


def load(path: str | Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(head, events); raises InputError when the file is missing, ArtifactError when it is no run or a line is damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        head, *events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise ArtifactError(f"{path}: not a run: {error}") from error
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise ArtifactError(f"{path}: not a run of tercet")
    return head, events


def joined(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of a run that was interrupted and of the one that continued it, as if they were one.

    What the first told beyond the checkpoint that the second began with is left out: it was told again.
    """
    start = next((event["step"] for event in after if event["event"] == "resumed"), 0)
    kept = [event for event in before if start and event.get("step", 0) <= start and event["event"] not in ("error", "done")]
    return kept + after
