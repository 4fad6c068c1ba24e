# SPDX-License-Identifier: Apache-2.0
"""The tape on which the rules of differentiation write nodes, and its finishing into a graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tercet.autodiff.graph import PERSISTENT, Kind, Node, Phase, Tensor
from tercet.autodiff.tiles import Tile
from tercet.autodiff.work import macs, workspace_bytes
from tercet.kernel_table import ACTIVATIONS, KERNELS, split_count
from tercet.model.graph import Layer
from tercet.model.operators import Shape, product

# the same bits with `a` and `b` exchanged, so that the output may take the place of either
_SYMMETRIC = ("add_forward", "multiply_forward")


@dataclass(frozen=True)
class Value:
    """A value of the network: the tensor that holds it and its shape without the batch."""

    tensor: str
    shape: Shape


@dataclass
class Call:
    """A layer as it was lowered: its operands, the fused activation and what the backward rule asked to keep."""

    layer: Layer
    inputs: list[Value]
    output: Value
    activation: str = "none"
    saved: dict[str, Any] = field(default_factory=dict)
    # a later rule has multiplied the gradient by the derivative of the fused activation already
    activation_done: bool = False
    # the fused activation's output has no other reader than the next layer
    single_reader: bool = False
    producers: list[Call | None] = field(default_factory=list)


class Tape:
    """Nodes and tensors in the making; `prefix` goes before the names of a micro-batch, `trained` are parameters."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.prefix = ""
        # which part of the step's data is read, where it is divided into micro-batches
        self.part: int | None = None
        # without training: running statistics, no dropout, nothing kept for a backward pass
        self.training = True
        # `argmax` or `input`: what maximum pooling keeps for its backward pass
        self.pool_keeps = "argmax"
        self.trained: set[str] = set()
        # layer -> the tiles into which its weights are divided
        self.tiles: dict[str, tuple[Tile, ...]] = {}
        self.phase: Phase = "forward"
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []

    def tensor(self, name: str, shape: Shape, kind: Kind = "activation", dtype: str = "f32") -> str:
        """Declares a tensor (whole shape, with batch) and returns its name, made unique."""
        name = f"{self.prefix}{name}" if kind not in PERSISTENT else name
        unique, number = name, 2
        while unique in self.tensors:
            unique, number = f"{name}.{number}", number + 1
        self.tensors[unique] = Tensor(unique, tuple(shape), dtype, kind)
        return unique

    def batched(self, name: str, shape: Shape, kind: Kind = "activation") -> str:
        """Declares an f32 tensor with the batch before `shape`."""
        return self.tensor(name, (self.batch, *shape), kind)

    def count(self, value: Value) -> int:
        """The elements of a value over the whole batch."""
        return self.batch * product(value.shape)

    def node(
        self,
        op: str,
        name: str,
        dims: tuple[int, ...],
        *,
        outs: dict[str, str] | None = None,
        mutates: dict[str, str] | None = None,
        ins: dict[str, str] | None = None,
        takes: tuple[tuple[str, str], ...] = (),
        **attrs: Any,
    ) -> None:
        """Appends a node; `takes` pairs (output operand, tensor) whose buffer it works in and destroys."""
        outs, mutates, ins = outs or {}, mutates or {}, ins or {}
        known = {**outs, **mutates, **ins}
        operands = {operand: known[operand] for operand in KERNELS[op].tensors if operand in known}
        assert len(operands) == len(known), (op, known)
        taken = tuple(dict.fromkeys(tensor for _, tensor in takes))
        reads = (*taken, *(tensor for tensor in dict.fromkeys(ins.values()) if tensor not in taken))
        unique, number = f"{self.prefix}{name}", 2
        while any(node.name == unique for node in self.nodes):
            unique, number = f"{self.prefix}{name}.{number}", number + 1
        self.nodes.append(
            Node(
                unique,
                op,
                self.phase,
                reads,
                tuple(outs.values()),
                operands,
                tuple(int(extent) for extent in dims),
                tuple((outs[operand], tensor) for operand, tensor in takes),
                tuple(mutates.values()),
                workspace_bytes(op, dims),
                macs(op, dims),
                attrs,
            )
        )

    def activation_backward(self, name: str, dy: str, y: Value, activation: str) -> str:
        """The gradient before an activation that was fused: dy times its derivative, in the buffer of dy."""
        if activation == "none":
            return dy
        dz = self.batched(f"{name}.dz", y.shape, "gradient")
        dims = (*split_count(self.count(y)), ACTIVATIONS[activation])
        node = f"{name}.activation_backward"
        self.node("activation_backward", node, dims, outs={"dz": dz}, ins={"y": y.tensor}, takes=(("dz", dy),))
        return dz

    def accumulate(self, name: str, gradient: str, other: str) -> str:
        """The sum of two gradients (or metrics), in the buffer of the first."""
        first = self.tensors[gradient]
        total = self.tensor(f"{name}.sum", first.shape, first.kind)
        self.node(
            "accumulate", f"{name}.accumulate", split_count(first.count), outs={"y": total}, ins={"x": other},
            takes=(("y", gradient),),
        )  # fmt: skip
        return total

    def finish(self) -> tuple[Node, ...]:
        """The nodes with in-place pairs settled: a buffer is taken over only by the last node that reads it."""
        last: dict[str, int] = {}
        for position, node in enumerate(self.nodes):
            last.update(dict.fromkeys(node.inputs, position))
        finished: list[Node] = []
        for position, node in enumerate(self.nodes):
            finished += self._settle(node, lambda tensor, here=position: last[tensor] > here)  # type: ignore[misc]
        return tuple(finished)

    def _settle(self, node: Node, needed: Any) -> list[Node]:
        if node.inplace:
            (output, taken), *_ = node.inplace
            if not needed(taken):
                return [node]
            other = node.operands.get("x")
            if node.op == "accumulate" and other != taken and not needed(other):
                swapped = {**node.operands, "x": taken}
                return [replace(node, operands=swapped, inplace=((output, str(other)),))]
            return self._copied(node, taken)
        if node.op in _SYMMETRIC and needed(node.operands["a"]) and not needed(node.operands["b"]):
            node = replace(node, operands={**node.operands, "a": node.operands["b"], "b": node.operands["a"]})
        for output, source in KERNELS[node.op].aliases:
            tensor = node.operands[source]
            reads_twice = list(node.operands.values()).count(tensor) > 1
            if not needed(tensor) and not reads_twice and self.tensors[tensor].kind not in PERSISTENT:
                return [replace(node, inplace=((node.operands[output], tensor),))]
        return [node]

    def _copied(self, node: Node, taken: str) -> list[Node]:
        """The node working in a copy of a buffer that others still read."""
        source = self.tensors[taken]
        spare = f"{taken}.copy"
        while spare in self.tensors:
            spare += "'"
        self.tensors[spare] = replace(source, name=spare)
        dims = split_count(source.count)
        copy = Node(
            f"{node.name}.copy", "copy", node.phase, (taken,), (spare,), {"y": spare, "x": taken}, dims,
            workspace_bytes=workspace_bytes("copy", dims),
        )  # fmt: skip
        inputs = [spare if name == taken else name for name in node.inputs]
        if taken in node.operands.values():
            inputs.append(taken)
        inplace = tuple((output, spare if name == taken else name) for output, name in node.inplace)
        return [copy, replace(node, inputs=tuple(inputs), inplace=inplace)]
