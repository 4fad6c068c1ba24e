# SPDX-License-Identifier: Apache-2.0
"""A model from whatever a user names: a file of ours, an ONNX file, or a network of the zoo."""

from __future__ import annotations

from pathlib import Path

from tercet.errors import InputError
from tercet.model import graph, zoo
from tercet.model.graph import Model
from tercet.model.weights import Weights


def open_model(name: str | Path, *, init: bool = False, seed: int = 0) -> tuple[Model, Weights]:
    """(model, weights) of `model.json`, of a `.onnx` file, or of the zoo (freshly initialised); `init` draws weights anew."""
    path = Path(name)
    if path.suffix == ".onnx":
        from tercet.model.exchange import import_onnx

        imported = import_onnx(path, init=init, seed=seed)
        return imported.model, imported.weights
    if path.suffix == ".json":
        model, weights = graph.load(path)
        return model, graph.initialise(model, seed) if init else weights
    if str(name) in zoo.ZOO:
        model = zoo.build(str(name))
        return model, graph.initialise(model, seed)
    raise InputError(f"{name}: neither a model file (.json, .onnx) nor a known network", hint=", ".join(zoo.ZOO))
