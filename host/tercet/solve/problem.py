# SPDX-License-Identifier: Apache-2.0
"""The scheduling problem: operators in order, tensors, costs as integers, budgets.

Units: bytes, nanoseconds (`_ns`), picojoules (`_pj`); a milliwatt times a nanosecond is a picojoule. Integers make
the objective of a schedule exact, so that solver, replay and brute force can be compared with `==`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from tercet.autodiff.graph import PERSISTENT, Graph
from tercet.costs import BLOCK_BYTES, CostTable, OpCost
from tercet.errors import InputError
from tercet.plan_format import ALIGNMENT

EXACT, POET = "exact", "poet"


@dataclass(frozen=True)
class Item:
    """A tensor as the scheduler sees it.

    `persistent`: in RAM when the step begins and when it ends; unless it is `on_card`: then it begins and ends the step
    there, its copy up to date. `movable`: where it lives may be chosen (`homes.py`). `keep`: in RAM when the step ends.
    `pageable`: may go to the card, at the bus times `out_ns`, `in_ns`, the CPU times `out_cpu_ns`, `in_cpu_ns` and the net
    energies `out_pj`, `in_pj`; `bounce_bytes` are needed beside it while it is being transferred.
    """

    name: str
    nbytes: int
    persistent: bool = False
    keep: bool = False
    pageable: bool = True
    out_ns: int = 0
    in_ns: int = 0
    out_cpu_ns: int = 0
    in_cpu_ns: int = 0
    out_pj: int = 0
    in_pj: int = 0
    bounce_bytes: int = 0
    movable: bool = False
    on_card: bool = False

    @property
    def card_bytes(self) -> int:
        """What it takes on the card: whole blocks."""
        return -(-self.nbytes // BLOCK_BYTES) * BLOCK_BYTES


@dataclass(frozen=True)
class Op:
    """A node as the scheduler sees it: what it reads, writes, destroys and costs.

    `again`: it may run again, at `again_ns` and `again_pj` (the first cost unless stated otherwise).
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    time_ns: int
    energy_pj: int
    inplace: tuple[tuple[str, str], ...] = ()
    mutates: tuple[str, ...] = ()
    workspace_bytes: int = 0
    again: bool = True
    again_ns: int = -1
    again_pj: int = -1
    phase: str = "forward"
    kind: str = ""

    def __post_init__(self) -> None:
        if self.again_ns < 0:
            object.__setattr__(self, "again_ns", self.time_ns)
        if self.again_pj < 0:
            object.__setattr__(self, "again_pj", self.energy_pj)
        if self.mutates:
            object.__setattr__(self, "again", False)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every tensor that must be in RAM before it runs."""
        return tuple(dict.fromkeys((*self.inputs, *self.mutates, *(source for _, source in self.inplace))))


@dataclass(frozen=True)
class Problem:
    """What a strategy is given and what the replay judges by. Immutable; `with_budgets` makes variants."""

    name: str
    ops: tuple[Op, ...]
    items: Mapping[str, Item]
    baseline_mw: float = 0.0
    overlap: bool = False
    ram_bytes: int | None = None
    deadline_ns: int | None = None
    card_bytes: int | None = None
    semantics: str = EXACT
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    def with_budgets(
        self, ram_bytes: int | None = None, deadline_ns: int | None = None, card_bytes: int | None = None
    ) -> Problem:
        """The same problem under exactly these budgets (None: unlimited)."""
        return replace(self, ram_bytes=ram_bytes, deadline_ns=deadline_ns, card_bytes=card_bytes)

    @cached_property
    def index(self) -> dict[str, int]:
        """Operator name -> position in the order of first executions."""
        return {op.name: position for position, op in enumerate(self.ops)}

    @cached_property
    def versions(self) -> dict[tuple[str, str], int]:
        """(operator, tensor it reads) -> how often the tensor has been mutated when that operator first runs."""
        count: dict[str, int] = {}
        needed: dict[tuple[str, str], int] = {}
        for op in self.ops:
            for tensor in op.reads:
                needed[op.name, tensor] = count.get(tensor, 0)
            for tensor in op.mutates:
                count[tensor] = count.get(tensor, 0) + 1
        return needed

    @property
    def first_ns(self) -> int:
        """CPU time of running every operator once."""
        return sum(op.time_ns for op in self.ops)

    @property
    def first_pj(self) -> int:
        """Net energy of running every operator once."""
        return sum(op.energy_pj for op in self.ops)

    @property
    def keep_all_pj(self) -> int:
        """Energy of the keep-everything schedule, static power included."""
        return self.first_pj + round(self.baseline_mw * self.first_ns)


def with_gradients_in_ram(problem: Problem) -> Problem:
    """The same problem, restricted: what the backward phase computes stays in RAM until its last use."""
    later = [op for op in problem.ops if op.phase not in ("input", "forward")]
    names, gradients = {op.name for op in later}, {tensor for op in later for tensor in op.outputs}
    ops = tuple(replace(op, again=False) if op.name in names else op for op in problem.ops)
    items = {
        name: replace(item, pageable=False) if name in gradients else item for name, item in problem.items.items()
    }
    return replace(problem, ops=ops, items=items)


def _check(problem: Problem) -> None:
    """Raises InputError unless names resolve, each tensor is produced once and before it is read, and sizes are not negative."""
    where = f"problem {problem.name}"
    seen = {item.name for item in problem.items.values() if item.persistent}
    names: set[str] = set()
    for op in problem.ops:
        if op.name in names:
            raise InputError(f"{where}: two operators are called {op.name!r}")
        names.add(op.name)
        for tensor in op.reads:
            if tensor not in seen:
                raise InputError(f"{where}: {op.name} reads {tensor!r} before anything produces it")
        for tensor in op.outputs:
            if tensor in seen or tensor not in problem.items:
                raise InputError(f"{where}: {op.name} produces {tensor!r}, which exists already or is unknown")
        seen |= set(op.outputs)
        if min(op.time_ns, op.energy_pj, op.workspace_bytes) < 0:
            raise InputError(f"{where}: {op.name} has a negative cost or workspace")
    for item in problem.items.values():
        if (
            item.nbytes < 0
            or min(item.out_ns, item.in_ns, item.out_cpu_ns, item.in_cpu_ns, item.out_pj, item.in_pj) < 0
        ):
            raise InputError(f"{where}: tensor {item.name} has a negative size or cost")


def from_graph(
    graph: Graph, costs: CostTable, *, ram_bytes: int | None = None, deadline_ms: float | None = None,
    card_bytes: int | None = None, overlap: bool | None = None, inputs: Mapping[str, str] | None = None,
) -> Problem:  # fmt: skip
    """The problem of a training graph on a board.

    Weights and state begin and end the step where they live, in RAM, which they then never leave, or on the card; a metric
    stays in RAM until the end; the labels and the input batch may be read again if their nodes are pure. Raises
    InputError that names every cost that is missing.
    """
    costs.require(node.signature for node in graph.nodes)
    overlap = costs.overlap if overlap is None else overlap
    # where the board overlaps, the bus times were measured with checksum and cipher beside the bus
    hidden = costs.overlap and not overlap
    items = {}
    for tensor in graph.tensors.values():
        size = tensor.nbytes
        items[tensor.name] = Item(
            tensor.name, -(-size // ALIGNMENT) * ALIGNMENT, tensor.kind in PERSISTENT, tensor.kind == "metric",
            tensor.kind not in ("metric", *PERSISTENT),
            round(costs.page_out.bus_us(size) * 1e3), round(costs.page_in.bus_us(size) * 1e3),
            0 if hidden else round(costs.page_out.cpu_us(size) * 1e3), 0 if hidden else round(costs.page_in.cpu_us(size) * 1e3),
            round(costs.page_out.energy_nj(size) * 1e3), round(costs.page_in.energy_nj(size) * 1e3),
            BLOCK_BYTES if size % BLOCK_BYTES else 0, movable=tensor.kind in PERSISTENT,
        )  # fmt: skip
    ops = []
    for node in graph.nodes:
        cost = costs.op(node.signature)
        # starting and ending a step is charged to the node that ends it, which runs exactly once
        step = costs.step if node is graph.nodes[-1] else OpCost(0.0, 0.0)
        time_us, energy_nj = cost.time_us + step.time_us, cost.energy_nj + step.energy_nj
        ops.append(Op(
            node.name, node.inputs, node.outputs, round(time_us * 1e3), round(energy_nj * 1e3), node.inplace,
            node.mutates, node.workspace_bytes, node.pure, phase=node.phase, kind=node.op,
        ))  # fmt: skip
    return Problem(
        graph.name, tuple(ops), items, costs.baseline_mw, overlap, ram_bytes,
        None if deadline_ms is None else round(deadline_ms * 1e6), card_bytes, inputs=inputs or {},
    )  # fmt: skip
