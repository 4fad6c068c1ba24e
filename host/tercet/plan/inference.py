# SPDX-License-Identifier: Apache-2.0
"""The forward pass alone as a plan: one sample, weights and the activations that live at a time."""

from __future__ import annotations

from tercet.autodiff.graph import Graph
from tercet.kernel_table import KERNELS
from tercet.plan import lower
from tercet.plan.keep import keep_all
from tercet.plan_format import Plan
from tercet.solve.schedule import Compute

_LOSS_PREDICTION = 0


def plan(forward: Graph, output: str, training: Graph, target: str) -> tuple[Plan, int, int] | None:
    """(plan, byte offset of the predictions, their count) of a forward graph whose outputs are the tensor `output`.

    A last softmax or sigmoid that the training's loss contains is left out: predictions are what the loss reads, which is
    all that the training's kernels can do. None when the board lacks a kernel for the forward graph.
    """
    read = next(node for node in training.nodes if node.phase == "loss" and node.inputs)
    logits = read.inputs[_LOSS_PREDICTION].rpartition("part0.")[2]
    output = logits if logits in forward.tensors else output
    schedule = keep_all(forward, output)
    nodes = [forward.node(action.node) for action in schedule.actions if isinstance(action, Compute)]
    if not all(KERNELS[node.op].on_device for node in nodes):
        return None
    lowered = lower.lower(forward, schedule, target=target, budget_bytes=0)
    kernel, record = KERNELS[nodes[-1].op], lowered.records[-1]
    place = next(i for i, name in enumerate(kernel.tensors) if nodes[-1].operands.get(name) == output)
    return lowered, record.offsets[place], forward.tensors[output].count

