# SPDX-License-Identifier: Apache-2.0
"""How the records of a training step evaluate as well: running statistics in place of a batch's, no dropout, no updates."""

from __future__ import annotations

from tercet.autodiff.graph import Graph, Node

# what a batch's statistics are called, and where inference finds them
_STATISTICS = {"mean": "running_mean", "variance": "running_variance"}


def only_trains(node: Node) -> bool:
    """Whether an evaluation leaves the node out."""
    return node.phase in ("backward", "update") or node.op in ("batchnorm_statistics", "dropout")


def instead(graph: Graph, node: Node) -> list[tuple[str, str]]:
    """The copies (to, from) of tensors that an evaluation makes in place of the node; dropout in place needs none."""
    if node.op == "dropout" and not node.inplace:
        return [(node.operands["y"], node.operands["x"])]
    if node.op == "batchnorm_statistics":
        running = next(n for n in graph.nodes if n.op == "batchnorm_running" and n.operands["mean"] == node.operands["mean"])
        return [(node.operands[name], running.operands[kept]) for name, kept in _STATISTICS.items()]
    return []
