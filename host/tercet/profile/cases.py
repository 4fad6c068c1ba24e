# SPDX-License-Identifier: Apache-2.0
"""What a profile runs: one case for each operator signature and page size, and the plan that repeats it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tercet import plan_format
from tercet.autodiff.graph import Graph, Node
from tercet.kernel_table import KERNELS
from tercet.plan_format import ABSENT, ALIGNMENT, BLOCK_BYTES, Plan, Record

PAGE_BLOCKS = (1, 4, 16)
BESIDE_BLOCKS = (2, 12)
EMPTY, BESIDE = "empty", "beside"
# From here on, operands that are only read lie over each other: beside the profile's own code RAM holds no more.
SHARE_FROM_BYTES = 144 * 1024
_PAGING = plan_format.PHASES["paging"]
# Computation that outlasts the longest of those transfers: dense layers of 16 samples, 64 inputs and 64 outputs.
_BESIDE_DIMS, _BESIDE_LAYERS = (16, 64, 64, 0), 6


@dataclass(frozen=True)
class Case:
    """Something to time and meter: `offsets` of its operands in an arena of `arena_bytes`, `integers` (first byte, bytes) in it.

    `name` is the signature of a cost, `page_out:N` or `page_in:N` for N blocks, `empty`, `beside` for some computation, or
    `page_out_beside:N` for the two together. `behind` are further records of each repetition. `python` tells whether its time
    depends on Python, files or the card.
    """

    name: str
    opcode: int
    phase: int
    index: int
    offsets: tuple[int, ...]
    dims: tuple[int, ...]
    arena_bytes: int
    integers: tuple[tuple[int, int], ...] = ()
    batch: int = 1
    features: int = 0
    blocks: int = 0
    behind: tuple[Record, ...] = ()

    @property
    def python(self) -> bool:
        """Whether Python, files or the card are behind it, not the native kernels alone."""
        return self.opcode < 16 or self.opcode >= plan_format.PAGE_OUT


def of_graph(graph: Graph) -> list[Case]:
    """A case for each distinct signature of the graph, in the order of first execution."""
    seen: dict[str, Case] = {}
    for node in graph.nodes:
        if node.signature not in seen:
            seen[node.signature] = _of_node(graph, node)
    return list(seen.values())


def of_graphs(graphs: Iterable[Graph]) -> list[Case]:
    """The distinct cases of several graphs."""
    seen: dict[str, Case] = {}
    for graph in graphs:
        for case in of_graph(graph):
            seen.setdefault(case.name, case)
    return list(seen.values())


def _of_node(graph: Graph, node: Node) -> Case:
    """Operands one after the other, unless that takes too much; an in-place output shares its source's memory."""
    case = _laid_out(graph, node, frozenset())
    if case.arena_bytes < SHARE_FROM_BYTES:
        return case
    written = {*node.outputs, *node.mutates, *(source for _, source in node.inplace)}
    read = {name for name in node.operands.values() if name not in written and graph.tensors[name].dtype == "f32"}
    return _laid_out(graph, node, frozenset(read))


def _laid_out(graph: Graph, node: Node, shared: frozenset[str]) -> Case:
    """The case of a node whose `shared` operands begin at byte 0: all hold the same pattern and none is written."""
    root = {output: source for output, source in node.inplace}
    at = dict.fromkeys(shared, 0)
    end = max((_aligned(graph.tensors[name].nbytes) for name in shared), default=0)
    integers = []
    offsets = []
    for operand in KERNELS[node.op].tensors:
        if operand not in node.operands:
            offsets.append(ABSENT)
            continue
        tensor = graph.tensors[node.operands[operand]]
        name = root.get(tensor.name, tensor.name)
        if name not in at:
            at[name] = end
            if tensor.dtype != "f32":
                integers.append((end, tensor.nbytes))
            end += _aligned(max(tensor.nbytes, graph.tensors[name].nbytes))
        offsets.append(at[name])
    if node.workspace_bytes:
        offsets.append(end)
        end += _aligned(node.workspace_bytes)
    opcode = KERNELS[node.op].opcode
    features = node.dims[1] if node.op in ("read_input", "read_input_rows") else 0
    batch = graph.batch if opcode < 16 else 1
    return Case(
        node.signature, opcode, plan_format.PHASES[node.phase], 0, tuple(offsets), node.dims, end, tuple(integers), batch,
        features,
    )  # fmt: skip


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def pages(sizes: tuple[int, ...] = PAGE_BLOCKS) -> list[Case]:
    """Page-out and page-in of each number of blocks; each size has its own blocks of the store, written before it is read."""
    cases, block = [], 0
    for index, count in enumerate(sizes):
        nbytes = count * BLOCK_BYTES
        dims = (block & 0xFFFF, block >> 16, nbytes & 0xFFFF, nbytes >> 16)
        for name, opcode in (("page_out", plan_format.PAGE_OUT), ("page_in", plan_format.PAGE_IN)):
            wait = (_wait(index),)
            cases.append(Case(f"{name}:{count}", opcode, _PAGING, index, (0, 0), dims, nbytes, blocks=count, behind=wait))
        block += count
    return cases


def _wait(index: int) -> Record:
    return Record(plan_format.WAIT, _PAGING, index, (), ())


def beside(sizes: tuple[int, ...] = BESIDE_BLOCKS) -> list[Case]:
    """Transfers under some computation, and that computation alone: what they take of the processor is the difference."""
    batch, inputs, outputs, _ = _BESIDE_DIMS
    end = max(sizes) * BLOCK_BYTES
    offsets = []
    for elements in (batch * outputs, batch * inputs, inputs * outputs, outputs):
        offsets.append(end)
        end += _aligned(4 * elements)
    layer = Record(KERNELS["dense_forward"].opcode, plan_format.PHASES["forward"], 0, tuple(offsets), _BESIDE_DIMS)
    layers = (layer,) * _BESIDE_LAYERS
    alone = Case(BESIDE, layer.opcode, layer.phase, 0, layer.offsets, layer.dims, end, behind=layers[1:])
    return [alone, *(
        replace(case, name=case.name.replace(":", f"_{BESIDE}:"), arena_bytes=end, behind=(*layers, _wait(case.index)))
        for case in pages(sizes)
    )]  # fmt: skip


def empty() -> Case:
    """A step without records: what starting and ending one costs."""
    return Case(EMPTY, 0, 0, 0, (), (), ALIGNMENT)


def plan(case: Case, repeats: int, arena_bytes: int, page_blocks: int) -> bytes:
    """The bytes of a plan that executes the case `repeats` times."""
    record = Record(case.opcode, case.phase, case.index, case.offsets, case.dims)
    records = (record, *case.behind) * (repeats if case.name != EMPTY else 0)
    made = Plan(bytes(8), 0, arena_bytes, arena_bytes, arena_bytes, page_blocks, case.batch, 0, records, ())
    return plan_format.encode(made)
