# SPDX-License-Identifier: Apache-2.0
"""From a schedule to a plan: every buffer gets an offset, every action a record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from tercet import plan_format
from tercet.autodiff.graph import PERSISTENT, Graph, Node, to_body
from tercet.errors import InputError
from tercet.kernel_table import KERNELS, split_count
from tercet.plan import evaluation
from tercet.plan.arena import Interval, place
from tercet.plan_format import ABSENT, ALIGNMENT, BLOCK_BYTES, Persistent, Plan, Record
from tercet.solve.schedule import Compute, Free, PageOut, Recompute, Schedule, Update


def graph_id(graph: Graph) -> bytes:
    """The 8 bytes by which board and host know that plan and weights belong to the same training graph."""
    return hashlib.sha256(json.dumps(to_body(graph), sort_keys=True).encode()).digest()[:8]


@dataclass
class _Buffer:
    """Memory of one tensor, or of a chain of in-place results, from event `start` to before event `end`."""

    name: str
    nbytes: int
    start: int
    end: int | None = None
    offset: int = -1


@dataclass
class _Draft:
    """A record whose buffers have no offsets yet."""

    opcode: int
    phase: int
    index: int
    buffers: list[_Buffer | None]
    dims: tuple[int, ...]
    event: int


@dataclass
class Lowering:
    """The state of the walk along a schedule."""

    graph: Graph
    overlap: bool
    live: dict[str, _Buffer] = field(default_factory=dict)
    buffers: list[_Buffer] = field(default_factory=list)
    drafts: list[_Draft] = field(default_factory=list)
    blocks: dict[str, int] = field(default_factory=dict)
    page_blocks: int = 0
    done: set[str] = field(default_factory=set)
    arriving: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    on_card: frozenset[str] = frozenset()
    homes: dict[str, _Buffer] = field(default_factory=dict)  # where weights and state live in the arena
    loss_end: int = 0
    tensor_index: dict[str, int] = field(default_factory=dict)
    node_index: dict[str, int] = field(default_factory=dict)

    def new(self, name: str, nbytes: int, start: int, end: int | None = None) -> _Buffer:
        """A buffer that lives from event `start` on."""
        buffer = _Buffer(name, nbytes, start, end)
        self.buffers.append(buffer)
        return buffer

    def buffer(self, tensor: str, event: int) -> _Buffer:
        """Where a tensor is now; raises InputError when the schedule uses one that is nowhere."""
        if tensor not in self.live:
            raise InputError(f"schedule: action {event} needs {tensor}, which is not in memory")
        return self.live[tensor]

    # -- actions ----------------------------------------------------------------------------------------------------

    def node(self, node: Node, event: int) -> None:
        """Compute, Recompute or Update."""
        for name in (*node.inputs, *node.mutates):
            self.buffer(name, event)
            self.wait(name, event, self.arriving)
        sources = dict(node.inplace)
        for name in (*node.mutates, *sources.values()):
            self.wait(name, event, self.leaving)
        before = {name: self.live[name] for name in (*node.inputs, *node.mutates)}
        for name in node.outputs:
            if name in sources:
                self.live[name] = self.live.pop(sources[name])
            elif name not in self.live:
                self.live[name] = self.new(name, self.graph.tensors[name].nbytes, event)
        where = before | {name: self.live[name] for name in node.outputs}
        kernel = KERNELS[node.op]
        buffers: list[_Buffer | None] = [where[node.operands[name]] if name in node.operands else None for name in kernel.tensors]
        if node.workspace_bytes:
            buffers.append(self.new(f"{node.name} workspace", node.workspace_bytes, event, event + 1))
        repeated = node.name in self.done
        phase = plan_format.PHASES["recompute" if repeated else node.phase] | (plan_format.REPEATED if repeated else 0)
        phase |= plan_format.TRAINING_ONLY if evaluation.only_trains(node) else 0
        self.drafts.append(_Draft(kernel.opcode, phase, self.node_index[node.name], buffers, node.dims, event))
        self.done.add(node.name)
        self.evaluate_instead(node, event)
        if node.phase == "loss":
            self.loss_end = len(self.drafts)

    def evaluate_instead(self, node: Node, event: int) -> None:
        """The records that take the node's place when a batch is evaluated."""
        phase = plan_format.PHASES["forward"] | plan_format.EVALUATION_ONLY
        for target, source in evaluation.instead(self.graph, node):
            count = self.graph.tensors[target].nbytes // 4
            buffers: list[_Buffer | None] = [self.buffer(target, event), self.buffer(source, event)]
            index = self.node_index[node.name]
            self.drafts.append(_Draft(KERNELS["copy"].opcode, phase, index, buffers, split_count(count), event))

    def transfer(self, tensor: str, event: int, outward: bool) -> None:
        """PageOut or PageIn."""
        nbytes = self.graph.tensors[tensor].nbytes
        if self.graph.tensors[tensor].kind in PERSISTENT and tensor not in self.on_card:
            raise InputError(f"schedule: action {event} pages {tensor}, which lives in memory and must stay there")
        if outward:
            self.reserve(tensor)
            source = self.buffer(tensor, event)
            self.wait(tensor, event, self.arriving)
        else:
            if tensor not in self.blocks:
                raise InputError(f"schedule: action {event} pages in {tensor}, which was never paged out")
            source = self.live[tensor] = self.new(tensor, nbytes, event)
        bounce = source
        if nbytes % BLOCK_BYTES:
            bounce = self.new(f"{tensor} bounce", BLOCK_BYTES, event, event + 1)
        block = self.blocks[tensor]
        dims = (block & 0xFFFF, block >> 16, nbytes & 0xFFFF, nbytes >> 16)
        opcode = plan_format.PAGE_OUT if outward else plan_format.PAGE_IN
        index = self.tensor_index[tensor]
        self.drafts.append(_Draft(opcode, plan_format.PHASES["paging"], index, [source, bounce], dims, event))
        if self.overlap:
            (self.leaving if outward else self.arriving).add(tensor)

    def begin(self, on_card: frozenset[str]) -> None:
        """The start of a step: weights and state are in the arena, or in the first blocks of the card."""
        self.on_card = on_card
        for tensor in self.graph.persistent:
            if tensor.name in on_card:
                self.reserve(tensor.name)
            else:
                self.homes[tensor.name] = self.live[tensor.name] = self.new(tensor.name, tensor.nbytes, 0)

    def reserve(self, tensor: str) -> None:
        """Gives a tensor its blocks on the card."""
        if tensor not in self.blocks:
            self.blocks[tensor] = self.page_blocks
            self.page_blocks += -(-self.graph.tensors[tensor].nbytes // BLOCK_BYTES)

    def wait(self, tensor: str, event: int, under_way: set[str]) -> None:
        """A record that waits for the transfers of `tensor`, when it is among those under way (`arriving` or `leaving`)."""
        if tensor in under_way:
            self.arriving.discard(tensor)
            self.leaving.discard(tensor)
            phase, index = plan_format.PHASES["paging"], self.tensor_index[tensor]
            self.drafts.append(_Draft(plan_format.WAIT, phase, index, [], (), event))

    def free(self, tensor: str, event: int) -> None:
        """The end of a tensor's buffer; the metric stays, since the loop reads it after the step."""
        self.wait(tensor, event, self.arriving | self.leaving)
        if self.graph.tensors[tensor].kind != "metric":
            self.buffer(tensor, event).end = event
            del self.live[tensor]


def _walk(graph: Graph, schedule: Schedule, overlap: bool) -> Lowering:
    """All buffers and draft records of a schedule."""
    state = Lowering(graph, overlap)
    state.tensor_index = {name: i for i, name in enumerate(graph.tensors)}
    state.node_index = {node.name: i for i, node in enumerate(graph.nodes)}
    nodes = {node.name: node for node in graph.nodes}
    state.begin(schedule.on_card)
    for event, action in enumerate(schedule.actions):
        name, known = (action.node, nodes) if isinstance(action, Compute | Recompute | Update) else (action.tensor, graph.tensors)
        if name not in known:
            raise InputError(f"schedule: action {event} is about {name!r}, which {graph.name} does not have",
                             hint="is it the schedule of another model?")  # fmt: skip
        if isinstance(action, Compute | Recompute | Update):
            state.node(nodes[action.node], event)
        elif isinstance(action, Free):
            state.free(action.tensor, event)
        else:
            state.transfer(action.tensor, event, isinstance(action, PageOut))
    for name in sorted(state.arriving | state.leaving):
        state.wait(name, len(schedule.actions), state.arriving | state.leaving)
    for buffer in state.buffers:
        buffer.end = len(schedule.actions) + 1 if buffer.end is None else buffer.end
    return state


def _prepare_evaluation(state: Lowering) -> None:
    """Page-outs of the forward phase whose page comes back only after the loss need not run to evaluate a batch.

    Records for an evaluation alone have no place behind its end.
    """
    kept, after = state.drafts[: state.loss_end], state.drafts[state.loss_end :]
    state.drafts = kept + [draft for draft in after if not draft.phase & plan_format.EVALUATION_ONLY]
    wanted = set()
    waits: dict[int, _Draft] = {}  # tensor -> the wait for the transfer before it
    for draft in reversed(state.drafts[: state.loss_end]):
        if draft.opcode == plan_format.WAIT:
            waits[draft.index] = draft
        elif draft.opcode == plan_format.PAGE_IN:
            wanted.add(draft.index)
            waits.pop(draft.index, None)
        elif draft.opcode == plan_format.PAGE_OUT:
            wait = waits.pop(draft.index, None)
            for useless in (draft, wait) if draft.index not in wanted else ():
                if useless is not None:
                    useless.phase |= plan_format.TRAINING_ONLY


def lower(
    graph: Graph, schedule: Schedule, *, target: str, budget_bytes: int, overlap: bool = False, encrypted: bool = True
) -> Plan:  # fmt: skip
    """The plan of a legal schedule on board `target`; `encrypted`: its pages are sealed, not only checked.

    `peak_bytes` is the arena's whole extent: weights, state, activations, workspace and buffers. Raises
    InputError when the schedule does not fit the graph. The caller compares the extent with the budget: placement
    may cost bytes over the live peak.
    """
    state = _walk(graph, schedule, overlap)
    intervals = [Interval(b.name, b.nbytes, b.start, (b.end or 0) - 1) for b in state.buffers]
    placement = place(intervals, alignment=ALIGNMENT, enough_bytes=budget_bytes)
    for buffer, offset in zip(state.buffers, placement.offsets, strict=True):
        buffer.offset = offset
    _prepare_evaluation(state)
    records = tuple(
        Record(d.opcode, d.phase, d.index, tuple(b.offset if b else ABSENT for b in d.buffers), d.dims)
        for d in state.drafts
    )
    persistents = tuple(
        Persistent(state.tensor_index[t.name], state.homes[t.name].offset if t.name in state.homes else ABSENT, t.nbytes)
        for t in graph.persistent
    )
    flags = (plan_format.FLAG_ENCRYPTED if encrypted else 0) | (plan_format.FLAG_OVERLAP if overlap else 0)
    peak = max(b.offset + b.nbytes for b in state.buffers)
    arena_bytes = -(-peak // ALIGNMENT) * ALIGNMENT
    return Plan(
        graph_id(graph), plan_format.board_id(target), arena_bytes, peak, budget_bytes, state.page_blocks, graph.batch,
        state.loss_end, records, persistents, flags,
    )
