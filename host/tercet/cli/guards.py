# SPDX-License-Identifier: Apache-2.0
"""What is refused before anything is flashed, since the board would fail at it or tell something wrong."""

from __future__ import annotations

import numpy as np

from tercet.autodiff.checks import check_data
from tercet.autodiff.graph import Graph
from tercet.errors import InputError
from tercet.kernel_table import KERNELS
from tercet.plan.dataset_file import PackedData

# Operators whose training pass differs from inference: batch statistics instead of the running ones, and dropout.
_TRAINING_ONLY = ("batchnorm_statistics", "dropout")


def check(graph: Graph, packed: PackedData, where: str = "data") -> None:
    """Raises InputError for operators without a kernel on the board and for data that the graph cannot read."""
    missing = sorted({node.op for node in graph.nodes if not KERNELS[node.op].on_device})
    if missing:
        raise InputError(
            f"{graph.name}: the board has no kernel for {', '.join(missing)}",
            hint="`tercet graph` and `tercet solve` work for this network; training on a board does not",
        )
    if packed.training < graph.batch:
        raise InputError(f"{where}: {packed.training} training samples do not fill one batch of {graph.batch}")
    rows = packed.rows if packed.rows.dtype != np.uint8 else packed.rows.astype(np.int64)
    check_data(graph, rows, packed.labels, where)


def evaluates_on_board(graph: Graph) -> bool:
    """Whether the training plan's forward records give a network's true accuracy.

    They do not with batch statistics or dropout: an inference pass is another graph, which the training plan does not hold.
    """
    return not any(node.op.startswith(_TRAINING_ONLY) for node in graph.nodes)
