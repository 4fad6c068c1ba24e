# SPDX-License-Identifier: Apache-2.0
"""What a replay tells: the actions as they happen, and their sum."""

from __future__ import annotations

from dataclasses import dataclass, field

from tercet.solve.schedule import Action


@dataclass(frozen=True)
class Event:
    """One action as it happens: CPU time from `start_ns` to `end_ns`, the arena's use while it runs and after it.

    A transfer holds the bus from `bus_start_ns` to `bus_end_ns`.
    """

    action: Action
    phase: str
    start_ns: int
    end_ns: int
    bytes_during: int
    bytes_after: int
    net_pj: int = 0
    bus_start_ns: int = 0
    bus_end_ns: int = 0


@dataclass(frozen=True)
class Replay:
    """What happened. When `legal` is false, `reason` says why and the figures cover the actions before it."""

    legal: bool
    reason: str
    peak_bytes: int
    peak_event: int
    energy_pj: int
    time_ns: int
    cpu_ns: int
    bus_ns: int
    card_bytes: int
    events: tuple[Event, ...]
    phase_pj: dict[str, int] = field(default_factory=dict)

    @property
    def energy_j(self) -> float:
        """Energy of the step, static power included."""
        return self.energy_pj / 1e12

    @property
    def time_ms(self) -> float:
        """Makespan of the step."""
        return self.time_ns / 1e6

    @property
    def timeline(self) -> list[tuple[float, int]]:
        """(milliseconds, bytes in use) at every event's start."""
        return [(event.start_ns / 1e6, event.bytes_during) for event in self.events]

    def to_dict(self) -> dict[str, object]:
        """The JSON of `tercet replay`."""
        answer: dict[str, object] = {
            "legal": self.legal, "peak_bytes": self.peak_bytes, "energy_j": self.energy_j, "time_ms": self.time_ms,
        }  # fmt: skip
        return answer if self.legal else {**answer, "reason": self.reason}
