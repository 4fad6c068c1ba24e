# SPDX-License-Identifier: Apache-2.0
"""A training job: the settings and files that the board's loop needs, made from artefacts without touching a board."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tercet import plan_format
from tercet.autodiff.graph import Graph
from tercet.autodiff.optimizers import hyper
from tercet.costs import blocks
from tercet.errors import InputError
from tercet.kernel_table import HYPER
from tercet.plan import dataset_file, weights_file
from tercet.plan.dataset_file import PackedData
from tercet.plan_format import Plan
from tercet.targets import Target

FOLDER = "/tercet"
# where the card's partition has room behind the pages: store.DATA_BLOCK of the device library
DATA_BLOCK = 16384
BOOT_FILE = "/main.py"
KEY_FILE = f"{FOLDER}/device.key"
_PLATEAUS = 12
# A larger data set goes to the card: the board's own filesystem holds the library and the results as well.
FLASH_DATA_BYTES = 320 * 1024
# Larger weights start from the card, and the trained ones go there: the board's filesystem is small.
FLASH_WEIGHTS_BYTES = 96 * 1024


@dataclass(frozen=True)
class Settings:
    """What a user chooses about a run.

    `seed` orders the samples; the first `metered_steps` show their phases on the markers. The part held out is looked at
    every `validate_every` steps, and the run stops after `patience` looks without a better loss. A checkpoint is written every
    `checkpoint_every` steps, on the card where there is one, else to `checkpoint_file`. A job with `at_boot` is gone on with by
    the board itself when it starts.
    """

    steps: int
    seed: int = 1
    metered_steps: int = 0
    report_every: int = 10
    evaluate: bool = True
    baseline_ms: int = 50
    page_file: str | None = None
    validate_every: int = 0
    patience: int = 0
    checkpoint_every: int = 0
    checkpoint_file: str | None = None
    at_boot: bool = False


@dataclass(frozen=True)
class Job:
    """The files that go to the board by their path there, the job's own settings, and what goes to the card.

    `card_files`: content by its first block in the card's partition, which has to have `card_blocks` blocks: the board writes
    the trained weights behind what comes to it.
    """

    files: dict[str, bytes]
    settings: dict[str, Any] = field(default_factory=dict)
    card_files: dict[int, bytes] = field(default_factory=dict)
    card_blocks: int = 0

    def with_files(self, files: dict[str, bytes]) -> Job:
        """The same job with more files."""
        return replace(self, files={**self.files, **files})

    @property
    def path(self) -> str:
        """Where the job's description lies on the board."""
        return f"{FOLDER}/job.json"


def make_job(
    graph: Graph, plan: Plan, weights: dict[str, np.ndarray], data: PackedData, target: Target, settings: Settings
) -> Job:
    """The job that trains `graph` by `plan` on a board of kind `target`.

    Raises InputError when data and graph do not fit together, or the data neither into the board's flash nor onto a card.
    """
    _check_data(graph, data)
    encoded = dataset_file.encode(data)
    start = weights_file.encode(graph, plan.graph_id, weights)
    on_card = card_files(encoded, start, target)
    vector = hyper(graph.optimizer, 0, settings.steps)
    result = result_place(start, on_card)
    description = {
        "plan": f"{FOLDER}/plan.bin",
        **data_place(encoded, target), **weights_place(start, on_card, target),
        "result": result, "board_id": plan_format.board_id(target.name), "tensors": _paged_tensors(plan),
        "overlap": bool(plan.flags & plan_format.FLAG_OVERLAP),
        "arena_bytes": plan.arena_bytes,
        "rates": rate_plateaus(graph.optimizer, settings.steps),
        "hyper": [vector.get(name, 0.0) for name in HYPER], "markers": target.markers.get("registers"),
        "store": _store(plan, target, settings), "seed": settings.seed, "steps": settings.steps,
        "metered_steps": settings.metered_steps, "report_every": settings.report_every,
        "baseline_ms": settings.baseline_ms, "evaluate": settings.evaluate,
        "validate_every": settings.validate_every, "patience": settings.patience,
        "boot": BOOT_FILE if settings.at_boot else None,
    }  # fmt: skip
    description |= _checkpoint(plan, target, settings, identity(description, encoded))
    files = {
        f"{FOLDER}/plan.bin": plan_format.encode(plan),
        f"{FOLDER}/job.json": json.dumps(description).encode(),
    }
    for path, content in ((f"{FOLDER}/weights.bin", start), (f"{FOLDER}/data.tds", encoded)):
        if content not in on_card.values():
            files[path] = content
    return Job(files, description, on_card, _end(on_card, result))


def card_files(data: bytes, weights: bytes, target: Target) -> dict[int, bytes]:
    """Which of the two go to the card, by the first block: the data set behind the pages, the weights behind it."""
    files, at = {}, DATA_BLOCK
    if goes_to_card(data, target):
        files[at] = data
        at += 1 + blocks(len(data))
    if len(weights) > FLASH_WEIGHTS_BYTES and target.card:
        files[at] = weights
    return files


def weights_place(weights: bytes, on_card: dict[int, bytes], target: Target) -> dict[str, Any]:
    """The entries of a job that say where the board finds its first weights: a file, or size, CRC-32 and block on the card."""
    for block, content in on_card.items():
        if content is weights:
            return {"weights": [len(weights), card_crc(weights), block], "card": target.card}
    return {"weights": f"{FOLDER}/weights.bin"}


def result_place(weights: bytes, on_card: dict[int, bytes]) -> str | tuple[int, None, int]:
    """Where the trained weights go: a file, or (bytes, None, block) behind the first ones where those are on the card."""
    for block, content in on_card.items():
        if content is weights:
            return len(weights), None, block + 1 + blocks(len(weights))
    return f"{FOLDER}/trained.bin"


def _end(on_card: dict[int, bytes], result: str | tuple[int, None, int]) -> int:
    """The blocks of a partition that has room for all files on the card, each with its label."""
    parts = [(at, len(content)) for at, content in on_card.items()]
    if not isinstance(result, str):
        parts.append((result[2], result[0]))
    return max((at + 1 + blocks(nbytes) for at, nbytes in parts), default=0)


def goes_to_card(encoded: bytes, target: Target) -> bool:
    """Whether a packed data set is too large for the board's flash; raises InputError when there is no card either."""
    if len(encoded) <= FLASH_DATA_BYTES:
        return False
    if not target.card:
        raise InputError(
            f"data: {len(encoded)} bytes, the flash of {target.name} takes {FLASH_DATA_BYTES} and it has no card",
            hint="train on fewer samples, or name the card's pins in a target file",
        )
    return True


def data_place(encoded: bytes, target: Target) -> dict[str, Any]:
    """The entries of a job that say where the board finds its data: a file, or size and CRC-32 of what is on the card."""
    if not goes_to_card(encoded, target):
        return {"data": f"{FOLDER}/data.tds"}
    return {"data": [len(encoded), card_crc(encoded)], "card": target.card}


def card_crc(content: bytes) -> int:
    """What names a content on the card: the CRC-32 of all but its last four bytes.

    A weights file ends with the CRC-32 of what stands before; with it, the checksum of any would be the same.
    """
    return zlib.crc32(content[:-4])


def rate_plateaus(optimizer: dict[str, Any], steps: int) -> list[list[float]]:
    """The learning rate as (first step, rate), at most 12 plateaus: a schedule that needs no arithmetic on the board."""
    width = -(-steps // _PLATEAUS)
    plateaus: list[list[float]] = []
    for first in range(0, steps, width):
        rate = float(np.float32(hyper(optimizer, first, steps)["rate"]))
        if not plateaus or plateaus[-1][1] != rate:
            plateaus.append([first, rate])
    return plateaus


def _paged_tensors(plan: Plan) -> int:
    """One more than the highest index of a tensor that ever lies on the card: the board keeps something of each page by index."""
    moved = [record.index for record in plan.records if record.opcode in (plan_format.PAGE_OUT, plan_format.PAGE_IN)]
    absent = [tensor.index for tensor in plan.persistents if tensor.offset == plan_format.ABSENT]
    return 1 + max([*moved, *absent], default=-1)


def _store(plan: Plan, target: Target, settings: Settings) -> dict[str, Any] | None:
    """Where pages go: the target's card unless a file was asked for."""
    if settings.page_file:
        return {"kind": "file", "path": settings.page_file}
    return {"kind": "card", **target.card} if plan.page_blocks and target.card else None


def identity(description: dict[str, Any], data: bytes) -> str:
    """4 bytes, hexadecimal, of all that decides which weights a job makes of those it starts from.

    Its schedule does not; the board adds the weights' own checksum, so that pushed weights make another job.
    """
    decisive = [description[name] for name in ("hyper", "rates", "seed", "steps", "validate_every", "patience")]
    digest = hashlib.sha256(json.dumps(decisive).encode())
    digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:8]


def _checkpoint(plan: Plan, target: Target, settings: Settings, name: str) -> dict[str, Any]:
    """The entries of a job that keeps checkpoints: none without `checkpoint_every`. They are sealed as the plan's pages are."""
    if not settings.checkpoint_every:
        return {}
    key = KEY_FILE if plan.flags & plan_format.FLAG_ENCRYPTED else None
    entry: dict[str, Any] = {"every": settings.checkpoint_every, "job": name, "key": key}
    if settings.checkpoint_file or not target.card:
        return {"checkpoint": {**entry, "path": settings.checkpoint_file or f"{FOLDER}/checkpoint"}}
    return {"checkpoint": entry, "card": target.card}


def _check_data(graph: Graph, data: PackedData) -> None:
    """Raises InputError unless the rows have the features that the graph reads."""
    features = next((n.dims[1] for n in graph.nodes if n.op.startswith(("read_input", "read_tokens"))), None)
    if features != data.rows.shape[1]:
        raise InputError(f"data: {data.rows.shape[1]} features a sample, the model {graph.name} reads {features}")
    if data.training < graph.batch:
        raise InputError(f"data: {data.training} training samples do not fill one batch of {graph.batch}")
