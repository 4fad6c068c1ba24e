# SPDX-License-Identifier: Apache-2.0
"""The rules of differentiation: one row per operator of a model.

A rule's `forward(tape, layer, inputs, activation)` writes the nodes of the forward pass and returns the `Call`; its
`backward(tape, updates, call, dy, needs)` writes those of the backward pass, applies the gradients of the layer's
parameters and returns the gradient of each input, None where `needs` says that nobody asks for it.
"""

from __future__ import annotations

from tercet.autodiff.rules import elementwise, linear, normalisation, pooling, sequence
from tercet.autodiff.rules.rule import Rule

RULES: dict[str, Rule] = {
    **linear.RULES,
    **pooling.RULES,
    **normalisation.RULES,
    **elementwise.RULES,
    **sequence.RULES,
}

__all__ = ["RULES", "Rule"]
