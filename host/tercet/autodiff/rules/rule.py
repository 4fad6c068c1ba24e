# SPDX-License-Identifier: Apache-2.0
"""The type of a rule of differentiation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.tape import Call, Tape, Value
from tercet.model.graph import Layer

Forward = Callable[[Tape, Layer, list[Value], str], Call]
Backward = Callable[[Tape, Updates, Call, str, list[bool]], list[str | None]]


@dataclass(frozen=True)
class Rule:
    """How an operator is computed and differentiated; `fuses`: its kernel can apply an activation to its output."""

    forward: Forward
    backward: Backward
    fuses: bool = False
