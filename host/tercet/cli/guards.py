# SPDX-License-Identifier: Apache-2.0
"""What is refused before anything is flashed, since the board would fail at it or tell something wrong."""

from __future__ import annotations

import numpy as np

from tercet.autodiff.checks import check_data
from tercet.autodiff.graph import Graph
from tercet.errors import InputError
from tercet.kernel_table import KERNELS
from tercet.plan.dataset_file import PackedData


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
