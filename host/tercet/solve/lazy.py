# SPDX-License-Identifier: Apache-2.0
"""Lazy rematerialisation: nodes that never need to run again ahead of what reads them.

Running a node early can pay for one reason: what it reads may then leave RAM. Where that is no larger than what the
node writes nothing is won, and the same execution can wait for the stage of its first reader, if RAM has room for both there.
Such a node runs again only in stages in which a reader runs. The proof is in formulation.md. As a restriction, every node waits
that frees nothing, whether RAM has room there or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.solve.stages import Stages, Value


def lazy(stages: Stages) -> list[set[int] | None]:
    """For each node the readers of what it writes, if it can wait for them; None where running it early may pay."""
    return [_readers(stages, node) if _can_wait(stages, node) else None for node in range(len(stages.reads))]


def _can_wait(stages: Stages, node: int) -> bool:
    """Whether any execution can be moved to the stage of its first reader; with `stages.waits`, whether it frees nothing."""
    op, values = stages.problem.ops[node], stages.values
    written = [values[position] for position in stages.writes[node]]
    # what some node destroys, this one or another, cannot be held until then
    lost = any(values[p].takers - {values[p].written_by} for p in stages.reads[node])
    if len(written) != 1 or written[0].final or not op.again or lost:
        return False
    # what is held in place of the node's output until then
    held = sum(values[p].nbytes for p in stages.reads[node] if _may_leave(values[p]))
    if stages.waits or held > written[0].nbytes:
        return held <= written[0].nbytes
    return all(
        node in events and _least_room(stages, events, node, last) >= held + op.workspace_bytes
        for events, last in _readings(stages, node)
    )  # fmt: skip


def _may_leave(value: Value) -> bool:
    """Whether a value can be gone from RAM and come back: not a weight that lives there, nor a metric."""
    return value.item.pageable if value.item.persistent or value.final else True


def _readings(stages: Stages, node: int) -> Iterator[tuple[list[int], int]]:
    """The stages, as their events, in which the output of an earlier execution may be read, and by which node last."""
    readers, started = _readers(stages, node), False
    for events in stages.events[node + 1 : stages.values[stages.writes[node][0]].last_stage + 1]:
        last = max((other for other in events if other in readers), default=-1)
        if started and last >= 0:
            yield events, last
        started = started or node in events


def _least_room(stages: Stages, events: list[int], node: int, last: int) -> int:
    """The least that a node asks of RAM which may be the next to run, from `node` up to the reader `last`."""
    return min(_room(stages, other) for other in events if node < other <= last)


def _room(stages: Stages, node: int) -> int:
    """The bytes that RAM must have left for a node to run, besides what it reads."""
    fresh = sum(stages.values[p].nbytes for p in stages.writes[node] if p not in stages.taken[node])
    return fresh + stages.problem.ops[node].workspace_bytes


def _readers(stages: Stages, node: int) -> set[int]:
    return {reader for position in stages.writes[node] for reader in stages.values[position].readers}
