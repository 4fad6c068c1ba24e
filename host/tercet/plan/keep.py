# SPDX-License-Identifier: Apache-2.0
"""The schedule that needs no solver: every node once, every tensor kept until its last reader has run."""

from __future__ import annotations

from tercet.autodiff.graph import PERSISTENT, Graph
from tercet.solve.schedule import Action, Compute, Free, Schedule, Update


def keep_all(graph: Graph, output: str | None = None) -> Schedule:
    """Every node of a graph, or those up to the one that makes the tensor `output`, which stays."""
    nodes = graph.nodes
    if output is not None:
        nodes = nodes[: next(i for i, node in enumerate(nodes) if output in node.outputs) + 1]
    last_use = {name: node.name for node in nodes for name in (*node.inputs, *node.outputs)}
    actions: list[Action] = []
    for node in nodes:
        actions.append(Update(node.name) if node.mutates else Compute(node.name))
        taken = {source for _, source in node.inplace}
        for name in dict.fromkeys((*node.inputs, *node.outputs)):
            kept = graph.tensors[name].kind in (*PERSISTENT, "metric") or name in taken or name == output
            if last_use[name] == node.name and not kept:
                actions.append(Free(name))
    return Schedule(tuple(actions))
