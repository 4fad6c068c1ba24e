# SPDX-License-Identifier: Apache-2.0
"""From a solution of the compact rows to actions, and from actions back to a solution."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tercet.solve.columns import ONE, Compact
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Recompute, Schedule, Update


def decode(compact: Compact, solution: Sequence[int], strategy: str) -> Schedule:
    """The actions that a solution of the rows states."""
    stages = compact.stages
    problem = stages.problem

    def on(column: int | None) -> bool:
        return column == ONE or (column is not None and column >= 0 and round(solution[column]) == 1)

    actions: list[Action] = []
    live = _begin(compact, on, actions)
    for k, nodes in enumerate(stages.events):
        for node in nodes:
            if not on(compact.run.get((k, node))):
                _frees(compact, on, actions, live, k, node)
                continue
            for position in stages.reads[node]:
                if on(compact.pin.get((k, position, node))):
                    tensor = stages.values[position].tensor
                    actions.append(PageIn(tensor))
                    live[tensor] = position
            op = problem.ops[node]
            if k != node and all(stages.values[position].tensor in live for position in stages.writes[node]):
                # a solution that is not the best may run a node of several outputs again for nothing
                _frees(compact, on, actions, live, k, node)
                continue
            actions.append(Recompute(op.name) if k != node else Update(op.name) if op.mutates else Compute(op.name))
            for new, old in stages.taken[node].items():
                live.pop(stages.values[old].tensor, None)
                live[stages.values[new].tensor] = new
            for position in stages.writes[node]:
                live[stages.values[position].tensor] = position
                if k == node and on(compact.out.get(position)):
                    actions.append(PageOut(stages.values[position].tensor))
            _frees(compact, on, actions, live, k, node)
    end = len(stages.events)
    back = [value.tensor for value in stages.values if on(compact.pin.get((end, value.position, end)))]
    return Schedule((*actions, *map(PageIn, back)), strategy, inputs=dict(problem.inputs))


def _begin(compact: Compact, on: Callable[[int | None], bool], actions: list[Action]) -> dict[str, int]:
    """What is in RAM after the transfers and frees with which the step begins."""
    first = [value for value in compact.stages.values if value.producer < 0]
    actions += [PageOut(v.tensor) for v in first if on(compact.out.get(v.position)) and not v.item.on_card]
    live = {}
    for value in first:
        if on(compact.held.get((0, value.position, -1), ONE)):
            live[value.tensor] = value.position
        elif not value.item.on_card:
            actions.append(Free(value.tensor))
    return live


def _frees(compact: Compact, on, actions: list[Action], live: dict[str, int], k: int, node: int) -> None:
    """Frees what the solution no longer holds after event (k, node)."""
    stages = compact.stages
    touched = {*stages.reads[node], *stages.writes[node]}
    for tensor, position in list(live.items()):
        value = stages.values[position]
        gone = position in touched and (k, position, node) in compact.held and not on(compact.held[k, position, node])
        over = node == k and (not value.final or value.item.on_card) and compact.last[position] <= k
        if gone or over:
            actions.append(Free(tensor))
            del live[tensor]
