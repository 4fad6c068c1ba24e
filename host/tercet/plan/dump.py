# SPDX-License-Identifier: Apache-2.0
"""A plan as text: one line a record, as people read it."""

from __future__ import annotations

from tercet import plan_format
from tercet.autodiff.graph import Graph
from tercet.kernel_table import KERNELS
from tercet.plan_format import ABSENT, Plan, Record

_RUNTIME = {plan_format.PAGE_OUT: "page_out", plan_format.PAGE_IN: "page_in", plan_format.WAIT: "wait"}
_NAMES = {kernel.opcode: kernel for kernel in KERNELS.values()}
_PHASES = {code: name for name, code in plan_format.PHASES.items()}


def text(graph: Graph, plan: Plan) -> str:
    """The lines of plan.txt: sizes, where weights lie, then the records with their buffers."""
    lines = [
        f"plan of {graph.name}, graph {plan.graph_id.hex()}, board {plan.board_id:08x}",
        f"arena {plan.arena_bytes} bytes, highest byte {plan.peak_bytes}, budget {plan.budget_bytes}",
        f"{len(plan.records)} records, {plan.loss_end} of them evaluate; {plan.page_blocks} page blocks",
        "",
    ]
    tensors = list(graph.tensors)
    for p in plan.persistents:
        where = "on card   " if p.offset == ABSENT else f"at {p.offset:>7}"
        lines.append(f"weights  {tensors[p.index]:<24} {where}  {p.nbytes} bytes")
    lines.append("")
    lines += [f"{number:>4}  {_line(graph, tensors, record)}" for number, record in enumerate(plan.records)]
    return "\n".join(lines) + "\n"


def _line(graph: Graph, tensors: list[str], record: Record) -> str:
    phase = _PHASES[record.phase & 7]
    if record.opcode in _RUNTIME:
        where = f" buffer@{record.offsets[0]} block {record.dims[0] | record.dims[1] << 16}" if record.dims else ""
        return f"{phase:<9} {_RUNTIME[record.opcode]} {tensors[record.index]}{where}"
    kernel = _NAMES[record.opcode]
    names = (*kernel.tensors, "workspace")
    where = " ".join(f"{n}@{o}" for n, o in zip(names, record.offsets, strict=False) if o != ABSENT)
    return f"{phase:<9} {kernel.name} {graph.nodes[record.index].name} {where} dims {','.join(map(str, record.dims))}"
