# SPDX-License-Identifier: Apache-2.0
"""The training graph: forward, loss, backward and update as nodes over tensors in single assignment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tercet import artifacts
from tercet.errors import ArtifactError
from tercet.kernel_table import KERNELS, signature

SCHEMA = "tercet-graph/1"
ITEM_BYTES = {"f32": 4, "u8": 1, "u16": 2, "i32": 4}
# Kinds that live through the whole step and end it where they began.
PERSISTENT = ("weight", "state")

Kind = Literal["input", "label", "activation", "gradient", "weight", "state", "metric"]
Phase = Literal["input", "forward", "loss", "backward", "update"]


@dataclass(frozen=True)
class Tensor:
    """A tensor of the step: name, shape (batch first), dtype (`f32 u8 u16 i32`) and kind.

    A tile of a parameter or state has the rows from `first` on of what is called `whole`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Kind
    whole: str = ""
    first: int = 0

    @property
    def count(self) -> int:
        """The number of its elements."""
        total = 1
        for extent in self.shape:
            total *= extent
        return total

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.count * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Node:
    """An operator of the step.

    `inputs`, `outputs` and `mutates` are tensor names; `operands` maps each operand name of the kernel table to a
    tensor name (optional ones may be absent); `dims` are its integer settings in the table's order. `inplace` pairs
    (output, input): the output takes over the input's buffer and destroys it. A node with `mutates` runs exactly once a
    step.
    """

    name: str
    op: str
    phase: Phase
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operands: dict[str, str]
    dims: tuple[int, ...]
    inplace: tuple[tuple[str, str], ...] = ()
    mutates: tuple[str, ...] = ()
    workspace_bytes: int = 0
    macs: int = 0
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def pure(self) -> bool:
        """Whether it may run again with the same result."""
        return not self.mutates and not self.attrs.get("once", False)

    @property
    def signature(self) -> str:
        """The key of its cost."""
        return signature(self.op, self.dims)


@dataclass(frozen=True)
class Graph:
    """One training step. `nodes` stand in the order of their first execution."""

    name: str
    batch: int
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]
    loss: str = "softmax_cross_entropy"
    optimizer: dict[str, Any] = field(default_factory=dict)
    # weight tensor -> parameter name of the model, where they differ
    inputs: dict[str, str] = field(default_factory=dict)

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    @property
    def samples(self) -> int:
        """Over how many samples the metric sums: the batch, times the positions where each one is predicted."""
        return sum(node.dims[0] for node in self.nodes if node.phase == "loss" and "metric" in node.operands)

    @property
    def persistent(self) -> tuple[Tensor, ...]:
        """Weights and optimizer state, in order."""
        return tuple(t for t in self.tensors.values() if t.kind in PERSISTENT)


def to_body(graph: Graph) -> dict[str, Any]:
    """The JSON body of a graph."""
    return {
        "name": graph.name,
        "batch": graph.batch,
        "loss": graph.loss,
        "optimizer": graph.optimizer,
        "tensors": [
            {"name": t.name, "shape": list(t.shape), "dtype": t.dtype, "kind": t.kind, "bytes": t.nbytes}
            | ({"whole": t.whole, "first": t.first} if t.whole else {})
            for t in graph.tensors.values()
        ],
        "nodes": [
            {
                "name": n.name, "op": n.op, "phase": n.phase, "inputs": list(n.inputs), "outputs": list(n.outputs),
                "operands": n.operands, "dims": list(n.dims), "inplace": [list(p) for p in n.inplace],
                "mutates": list(n.mutates), "workspace_bytes": n.workspace_bytes, "macs": n.macs, "attrs": n.attrs,
            }
            for n in graph.nodes
        ],
    }


def save(graph: Graph, path: str | Path) -> Path:
    """Writes graph.json and returns its path."""
    return artifacts.write_json(path, SCHEMA, to_body(graph), graph.inputs)


def load(path: str | Path) -> Graph:
    """The graph in a file; raises ArtifactError on a file of another kind or with unknown operators."""
    body = artifacts.read_json(path, SCHEMA)
    try:
        tensors = {
            t["name"]: Tensor(
                t["name"], tuple(t["shape"]), t["dtype"], t["kind"], t.get("whole", ""), int(t.get("first", 0))
            )
            for t in body["tensors"]
        }
        nodes = tuple(
            Node(
                n["name"], n["op"], n["phase"], tuple(n["inputs"]), tuple(n["outputs"]), dict(n["operands"]),
                tuple(n["dims"]), tuple((a, b) for a, b in n["inplace"]), tuple(n["mutates"]),
                n["workspace_bytes"], n["macs"], dict(n["attrs"]),
            )
            for n in body["nodes"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: not a complete training graph: {error!r}") from error
    graph = Graph(
        body["name"], body["batch"], tensors, nodes, body["loss"], dict(body["optimizer"]), dict(body["inputs"])
    )
    check(graph, str(path))
    return graph


def check(graph: Graph, where: str) -> None:
    """Raises ArtifactError unless every name resolves, every tensor is produced once and before it is read."""
    available = {t.name for t in graph.tensors.values() if t.kind in PERSISTENT}
    for node in graph.nodes:
        if node.op not in KERNELS:
            raise ArtifactError(f"{where}: node {node.name}: unknown operator {node.op!r}")
        for name in (*node.inputs, *node.mutates):
            if name not in available:
                raise ArtifactError(f"{where}: node {node.name} reads {name!r} before anything produces it")
        for name in node.outputs:
            if name not in graph.tensors or name in available:
                raise ArtifactError(f"{where}: node {node.name} produces {name!r}, which is unknown or exists already")
        available |= set(node.outputs)
