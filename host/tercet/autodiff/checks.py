# SPDX-License-Identifier: Apache-2.0
"""Whether data fit a training graph: asked before anything is flashed or run."""

from __future__ import annotations

import numpy as np

from tercet.autodiff.graph import Graph, Node
from tercet.errors import InputError
from tercet.kernel_table import KERNELS


def check_data(graph: Graph, x: np.ndarray, target: np.ndarray, where: str = "data") -> None:
    """Raises InputError unless samples and labels (or targets) are what the graph reads; any number of samples.

    Checked are the numbers of a sample, labels and token numbers within their range, and that floats are finite.
    """
    if len(x) != len(target):
        raise InputError(f"{where}: {len(x)} samples meet {len(target)} labels")
    for node in graph.nodes:
        if node.op.startswith(("read_input", "read_tokens")):
            _check_width(node, np.asarray(x), where, "sample")
        elif node.op.startswith(("read_labels", "read_targets")):
            _check_width(node, np.asarray(target), where, "target")
        elif node.op == "softmax_cross_entropy":
            _check_range(np.asarray(target), node.dims[1], f"{where}: label")
        elif node.op == "embedding_forward":
            _check_range(np.asarray(x), node.dims[1], f"{where}: token")


def _check_width(node: Node, values: np.ndarray, where: str, what: str) -> None:
    width = dict(zip(KERNELS[node.op].dims, node.dims, strict=True))
    expected = width.get("features", width.get("width", 1))
    found = values[0].size if len(values) else expected
    if found != expected:
        raise InputError(f"{where}: a {what} has {found} numbers, the network reads {expected}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
        raise InputError(f"{where}: {what} {bad} holds values that are no numbers")


def _check_range(values: np.ndarray, count: int, what: str) -> None:
    wrong = np.flatnonzero((values < 0) | (values >= count))
    if len(wrong):
        position = int(wrong[0]) // max(values[0].size, 1)
        value = values.reshape(-1)[wrong[0]]
        raise InputError(f"{what} {value} of sample {position} is outside 0..{count - 1}")
