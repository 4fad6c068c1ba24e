# SPDX-License-Identifier: Apache-2.0
"""Losses: what they read, the kernel that turns a prediction into its gradient, and the metric."""

from __future__ import annotations

from dataclasses import dataclass

from tercet.autodiff.tape import Tape, Value
from tercet.errors import InputError
from tercet.kernel_table import split_float
from tercet.model.operators import product


@dataclass(frozen=True)
class Loss:
    """A loss: its kernel, the operand that its gradient has, `contains` the last layer that it includes."""

    op: str
    gradient: str
    classes: bool = False
    contains: str = ""
    extra: tuple[int, ...] = ()


LOSSES = {
    "softmax_cross_entropy": Loss("softmax_cross_entropy", "dlogits", classes=True, contains="softmax"),
    "binary_cross_entropy": Loss("binary_cross_entropy", "dlogits", contains="sigmoid"),
    "mean_squared_error": Loss("mean_squared_error", "dy"),
    "mean_absolute_error": Loss("mean_absolute_error", "dy"),
    "huber": Loss("huber", "dy", extra=split_float(1.0)),
}


def read(tape: Tape, op: str, dims: tuple[int, ...], operand: str, tensor: str) -> None:
    """Writes the node that reads the step's data, or the tape's part of them."""
    if tape.part is None:
        tape.node(op, op, dims, outs={operand: tensor})
    else:
        tape.node(f"{op}_rows", op, (*dims, tape.part * tape.batch), outs={operand: tensor})


def write_loss(tape: Tape, loss: Loss, output: Value) -> tuple[str, str]:
    """Writes the nodes that read labels or targets and compute the loss; returns metric and gradient tensors.

    A prediction of several positions (tokens, classes) counts each position as a sample.
    """
    width = output.shape[-1] if loss.classes else product(output.shape)
    rows = tape.batch * product(output.shape) // width
    if loss.classes and width < 2:
        raise InputError(f"softmax_cross_entropy needs two classes or more, the network yields {width}")
    tape.phase = "input"
    positions = rows // tape.batch
    if loss.classes:
        target = tape.tensor("labels", (tape.batch,) if positions == 1 else (tape.batch, positions), "label", "u16")
        op, operand, dims = "read_labels", "labels", (tape.batch, positions)
    else:
        target = tape.tensor("target", (tape.batch, *output.shape), "label")
        op, operand, dims = "read_targets", "target", (tape.batch, width)
    read(tape, op, dims, operand, target)
    tape.phase = "loss"
    metric = tape.tensor("metric", (2,), "metric")
    gradient = tape.batched(f"{output.tensor.removeprefix(tape.prefix)}.dy", output.shape, "gradient")
    outs = {loss.gradient: gradient, "metric": metric}
    takes = ((loss.gradient, output.tensor),)
    tape.node(loss.op, "loss", (rows, width, *loss.extra), outs=outs, ins={operand: target}, takes=takes)
    return metric, gradient
