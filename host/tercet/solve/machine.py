# SPDX-License-Identifier: Apache-2.0
"""The board while a schedule runs on paper: RAM, card, and the clocks of CPU and bus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

from tercet.errors import InputError
from tercet.solve.problem import Item, Op, Problem


class IllegalError(InputError):
    """A schedule that cannot be executed as it stands; the message names the action and the rule."""


@dataclass
class Machine:
    """The state of the board while a schedule runs."""

    problem: Problem
    resident: dict[str, int] = field(default_factory=dict)  # tensor in RAM -> its version
    card: dict[str, int] = field(default_factory=dict)  # tensor on the card -> the version of that copy
    written: dict[str, int] = field(default_factory=dict)  # tensor -> how often it has been mutated
    leaving: dict[str, int] = field(default_factory=dict)  # page-out source -> end of its transfer
    arriving: dict[str, int] = field(default_factory=dict)  # page-in destination -> end of its transfer
    away: frozenset[str] = frozenset()  # weights and state that live on the card
    ran: int = 0  # operators that have had their first execution
    live_bytes: int = 0
    card_bytes: int = 0
    cpu_ns: int = 0
    busy_ns: int = 0
    bus_free_ns: int = 0
    bus_ns: int = 0
    delays_ns: Iterator[int] = field(default_factory=lambda: repeat(0))  # what each transfer in turn takes longer
    windows: list[tuple[int, int, int]] = field(default_factory=list)  # of transfers: start, end, the CPU's time in it

    def item(self, tensor: str) -> Item:
        if tensor not in self.problem.items:
            raise IllegalError(f"there is no tensor {tensor!r}")
        return self.problem.items[tensor]

    def op(self, node: str) -> Op:
        if node not in self.problem.index:
            raise IllegalError(f"there is no node {node!r}")
        return self.problem.ops[self.problem.index[node]]

    def begin(self, on_card: frozenset[str]) -> None:
        """The start of a step: weights and state are where they live."""
        items = [item for item in self.problem.items.values() if item.persistent]
        self.away = frozenset(item.name for item in items if item.on_card or (item.movable and item.name in on_card))
        for item in items:
            if item.name in self.away:
                self.store(item, 0)
            else:
                self.take(item.name, 0)

    def store(self, item: Item, version: int) -> None:
        """The card holds this version of a tensor."""
        if item.name not in self.card:
            self.card_bytes += item.card_bytes
        self.card[item.name] = version

    def take(self, tensor: str, version: int) -> None:
        if tensor in self.resident:
            raise IllegalError(f"{tensor} is in RAM already")
        self.resident[tensor] = version
        self.live_bytes += self.problem.items[tensor].nbytes

    def release(self, tensor: str) -> None:
        self.settle_out(tensor)
        self.settle_in(tensor)
        del self.resident[tensor]
        self.live_bytes -= self.problem.items[tensor].nbytes

    def settle_in(self, tensor: str) -> None:
        """Waits for the transfer into `tensor`."""
        end = self.arriving.pop(tensor, None)
        if end is not None:
            self.cpu_ns = max(self.cpu_ns, end)

    def settle_out(self, tensor: str) -> None:
        """Waits until nothing is read from `tensor`'s buffer by the card any more."""
        end = self.leaving.pop(tensor, None)
        if end is not None:
            self.cpu_ns = max(self.cpu_ns, end)

    def compute(self, duration_ns: int) -> None:
        """Computation; while a transfer is under way, it has only what that leaves of the CPU."""
        self.busy_ns += duration_ns
        left = duration_ns
        self.windows = [window for window in self.windows if window[1] > self.cpu_ns]
        for start, end, share_ns in self.windows:
            before = min(left, max(0, start - self.cpu_ns))
            self.cpu_ns += before
            left -= before
            if not left:
                return
            length, free = end - start, max(0, end - start - share_ns)
            room = (end - self.cpu_ns) * free // length
            if left <= room:
                self.cpu_ns += -(-left * length // free)
                return
            self.cpu_ns = end
            left -= room
        self.cpu_ns += left

    def transfer(self, duration_ns: int, share_ns: int) -> tuple[int, int]:
        """(start, end) of a transfer on the bus. Checksum and cipher take `share_ns` of the CPU: beside the bus where the board
        overlaps, else after each other.
        """
        duration_ns += next(self.delays_ns)
        start = max(self.cpu_ns, self.bus_free_ns)
        self.busy_ns += share_ns
        self.bus_ns += duration_ns
        self.bus_free_ns = start + duration_ns
        if not self.problem.overlap:
            self.bus_free_ns += share_ns
        elif duration_ns and share_ns:
            self.windows.append((start, self.bus_free_ns, share_ns))
        return start, self.bus_free_ns
