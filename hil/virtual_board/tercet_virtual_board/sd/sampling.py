# SPDX-License-Identifier: GPL-2.0-or-later
"""Which bit of the card a bus sees, which samples its line some time after the clock's rising edge.

At default speed a card moves its line at the falling edge before the bit is wanted, at high speed already at the rising one
before that. SD Physical Layer Simplified Specification, chapters 6.6.6 and 6.6.7: the output is valid 14 ns after the edge at
most; it holds for 2.5 ns after the next at high speed, for nothing at default speed.
"""

from functools import lru_cache

_VALID_NS, _HOLD_NS = 14.0, 2.5
_PADS_NS = 6.0  # estimate: out through the clock's pad, back through the data's, and the wires
_CYCLE_NS = 1e3 / 64


@lru_cache
def shift(cycles_per_byte: int, early: bool, delay: int) -> int:
    """0: the bit that is wanted is sampled `delay` cycles after the edge; 1: already the next one; -1: still the one before."""
    period_ns = cycles_per_byte / 8 * _CYCLE_NS
    at_ns = delay * _CYCLE_NS
    moves_ns = _PADS_NS - (period_ns if early else period_ns / 2)
    if at_ns < moves_ns + _VALID_NS:
        return -1
    return int(at_ns >= moves_ns + period_ns + (_HOLD_NS if early else 0.0))


def seen(answer: bytes, cycles_per_byte: int, early: bool, delay: int) -> bytes:
    """The bytes that the bus takes `answer` for; a line before and after it is high."""
    by = shift(cycles_per_byte, early, delay)
    if not by:
        return answer
    bits, count = int.from_bytes(answer, "big"), 8 * len(answer)
    moved = bits << 1 | 1 if by > 0 else bits >> 1 | 1 << count - 1
    return (moved & (1 << count) - 1).to_bytes(len(answer), "big")
