# SPDX-License-Identifier: Apache-2.0
"""Trained weights back into the ONNX file that a network came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts
from tercet.errors import InputError
from tercet.model.exchange.importer import Origin, import_onnx
from tercet.model.exchange.reader import modules
from tercet.model.graph import Weights


def write_back(source: str | Path, weights: Weights, target: str | Path) -> Path:
    """Writes `target`: the ONNX file `source` with its parameters replaced by `weights`, and returns its path.

    `weights` must hold every parameter of the imported network under the name that the import gives it; nodes, names and
    shapes of the file stay. Raises InputError when one is missing or has another shape.
    """
    onnx = modules()
    imported = import_onnx(source, init=True)
    proto = onnx.load(str(source))
    graph = proto.graph
    for name, origin in imported.origins.items():
        expected = imported.model.parameters[name].shape
        if name not in weights or weights[name].shape != expected:
            found = list(weights[name].shape) if name in weights else "nothing"
            raise InputError(f"{source}: parameter {name} needs {list(expected)}, found {found}")
        value = weights[name].T if origin.transposed else weights[name].reshape(origin.shape)
        if origin.reader:
            _separate(graph, origin, name, onnx.numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
            continue
        old = [item for item in graph.initializer if item.name == origin.tensor]
        kind = onnx.numpy_helper.to_array(old[0]).dtype if old else np.float32
        for item in old:
            graph.initializer.remove(item)
        # a tensor that was computed from constants becomes a constant itself
        for node in [node for node in graph.node if origin.tensor in node.output]:
            graph.node.remove(node)
        graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value, kind), origin.tensor))
    return artifacts.write_bytes(target, proto.SerializeToString())


def _separate(graph: Any, origin: Origin, name: str, tensor: Any) -> None:
    """Gives one reader of a merged tensor a tensor of its own."""
    output, number = origin.reader or ("", 0)
    node = next(node for node in graph.node if output in node.output)
    tensor.name = f"{origin.tensor}.{name}"
    node.input[number] = tensor.name
    graph.initializer.append(tensor)
