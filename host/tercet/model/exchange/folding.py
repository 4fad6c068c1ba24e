# SPDX-License-Identifier: Apache-2.0
"""Constants of an ONNX file that are computed from other constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.errors import InputError

# A constant larger than this comes from a broken or hostile file.
LARGEST_COUNT = 1 << 28
_GROWING = ("ConstantOfShape", "Expand", "Tile", "Range")


def fold(node: Any, constants: dict[str, np.ndarray], opset: int) -> list[np.ndarray] | None:
    """The outputs of a node whose inputs are all constant; None where they are not."""
    if any(name and name not in constants for name in node.input):
        return None
    if node.op_type in ("RandomNormal", "RandomUniform", "Dropout"):
        return None
    feeds = {name: constants[name] for name in node.input if name}
    if node.op_type in _GROWING and _grown(node, feeds) > LARGEST_COUNT:
        raise InputError(f"it makes a constant of more than {LARGEST_COUNT} elements")
    from onnx.reference import ReferenceEvaluator

    try:
        found = ReferenceEvaluator(node, opsets={"": opset}).run(None, feeds)
    except Exception as error:  # the evaluator raises whatever NumPy raises
        raise InputError(f"its constant cannot be computed: {error}") from error
    return [np.asarray(value) for value in found]


def _grown(node: Any, feeds: dict[str, np.ndarray]) -> float:
    values = list(feeds.values())
    if node.op_type == "Range":
        start, limit, delta = (float(value) for value in values)
        return abs((limit - start) / delta) if delta else math.inf
    base = values[0].size if node.op_type == "Tile" else 1
    return base * float(np.prod(np.abs(values[-1].astype(np.float64))))


def constant_nodes(nodes: list[Any]) -> dict[str, np.ndarray]:
    """The values of the Constant nodes by name."""
    found = {}
    for node in nodes:
        if node.op_type == "Constant":
            values = fold(node, {}, 17)
            found[str(node.output[0])] = values[0] if values else np.empty(0)
    return found
