# SPDX-License-Identifier: Apache-2.0
"""A GELU spelled out with Erf, as exports before operator set 20 have it, becomes one node."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.model.exchange.folding import constant_nodes
from tercet.model.exchange.reader import modules


class _Pattern:
    """The search for 0.5 x (1 + erf(x / sqrt 2)), whose two products may stand in any order."""

    def __init__(self, nodes: list[Any], constants: dict[str, np.ndarray]) -> None:
        self.constants = constants | constant_nodes(nodes)
        self.makers = {output: node for node in nodes for output in node.output}
        self.readers: dict[str, list[Any]] = {}
        for node in nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def scalar(self, name: str, expected: float) -> bool:
        """Whether a name is a constant of that one number."""
        value = self.constants.get(name)
        if value is None or value.size != 1:
            return False
        return math.isclose(float(value.reshape(-1)[0]), expected, rel_tol=1e-4)

    def argument(self, erf: Any) -> tuple[str, Any] | None:
        """(x, the node that divides it by sqrt 2)."""
        inner = self.makers.get(erf.input[0])
        if inner is None or inner.op_type not in ("Div", "Mul"):
            return None
        factor = math.sqrt(2) if inner.op_type == "Div" else math.sqrt(0.5)
        sides = (1,) if inner.op_type == "Div" else (1, 0)
        side = next((number for number in sides if self.scalar(inner.input[number], factor)), None)
        return None if side is None else (str(inner.input[1 - side]), inner)

    def follow(self, node: Any, op: str) -> tuple[Any, str] | None:
        """(the only reader, its other input) of a node, where the reader is of that operator."""
        name = node.output[0]
        readers = self.readers.get(name, [])
        if len(readers) != 1 or readers[0].op_type != op:
            return None
        return readers[0], str(readers[0].input[1] if readers[0].input[0] == name else readers[0].input[0])

    def factors(self, partner: str, x: str) -> tuple[bool, bool, Any]:
        """Whether a product's other side brings x, brings 0.5, and the node 0.5 x where it brings both."""
        half = self.makers.get(partner)
        if half is not None and half.op_type == "Mul" and x in half.input:
            other = half.input[1] if half.input[0] == x else half.input[0]
            if self.scalar(other, 0.5):
                return True, True, half
        return partner == x, self.scalar(partner, 0.5), None

    def match(self, erf: Any) -> tuple[Any, str, list[Any]] | None:
        """(last node, x, nodes that become superfluous) of the pattern around an Erf."""
        start, plus = self.argument(erf), self.follow(erf, "Add")
        if start is None or plus is None or not self.scalar(plus[1], 1.0):
            return None
        x, chain, at = start[0], [start[1], erf], plus[0]
        has_x = has_half = False
        while not (has_x and has_half):
            chain.append(at)
            product = self.follow(at, "Mul")
            brings = self.factors(product[1], x) if product else (False, False, None)
            if product is None or not (brings[0] or brings[1]):
                return None
            has_x, has_half, at = has_x or brings[0], has_half or brings[1], product[0]
            chain += [brings[2]] if brings[2] is not None else []
        return at, x, chain


def join_gelu(nodes: list[Any], constants: dict[str, np.ndarray]) -> list[Any]:
    """The nodes with every spelled-out GELU replaced by one Gelu."""
    pattern = _Pattern(nodes, constants)
    found = [match for match in (pattern.match(node) for node in nodes if node.op_type == "Erf") if match]
    make = modules().helper.make_node
    replaced = {last.output[0]: make("Gelu", [x], list(last.output), name=last.name) for last, x, _ in found}
    gone = {output for _, _, chain in found for node in chain for output in node.output}
    return [replaced.get(node.output[0], node) for node in nodes if not gone & set(node.output)]
