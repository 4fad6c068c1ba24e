# SPDX-License-Identifier: Apache-2.0
"""What the board needs to predict with the weights that it trained: a plan of one sample's forward pass, and a description."""

from __future__ import annotations

import json

from tercet import plan_format
from tercet.autodiff.graph import Graph, Tensor
from tercet.plan import inference, lower
from tercet.plan.dataset_file import PackedData
from tercet.targets import Target
from tercet.train.job import FOLDER, Job


def files(
    forward: Graph, output: str, training: Graph, data: PackedData, target: Target, job: Job | None = None
) -> dict[str, bytes]:
    """Path -> content of predict.json and its plan; nothing for a network whose forward pass the board cannot run.

    Weights are those that `job` trains or starts from; without one, those in the board's own files.

    `tensors` tells, for each tensor of a weights file of the training graph, where it goes in the arena (-1: nowhere, as
    the optimizer's state) and its bytes.
    """
    found = inference.plan(forward, output, training, target.name)
    if found is None:
        return {}
    plan, offset, count = found
    names = list(forward.tensors)
    places = {names[entry.index]: entry.offset for entry in plan.persistents}
    description = {
        "plan": f"{FOLDER}/predict.bin", **_weights(job),
        "board_id": plan_format.board_id(target.name), "graph": lower.graph_id(training).hex(),
        "tensors": [[_place(tensor, places), tensor.nbytes] for tensor in training.persistent],
        "features": data.rows.shape[1], "value_bytes": data.rows.itemsize, "scale": [data.scale, data.offset],
        "output": [offset, count],
    }  # fmt: skip
    return {
        f"{FOLDER}/predict.bin": plan_format.encode(plan),
        f"{FOLDER}/predict.json": json.dumps(description).encode(),
    }


def _weights(job: Job | None) -> dict[str, object]:
    """The entries that say where weights are, the trained ones first, and the card when they are there."""
    if job is None:
        return {"weights": [f"{FOLDER}/trained.bin", f"{FOLDER}/weights.bin"]}
    settings = job.settings
    found: dict[str, object] = {"weights": [settings["result"], settings["weights"]]}
    return found if isinstance(settings["result"], str) else {**found, "card": settings["card"]}


def _place(tensor: Tensor, places: dict[str, int]) -> int:
    """The offset of a tensor, or of a tile in the whole; -1 when the forward pass has no use for it."""
    whole = places.get(tensor.whole or tensor.name, -1)
    return whole if whole < 0 else whole + tensor.first * tensor.nbytes // tensor.shape[0]
