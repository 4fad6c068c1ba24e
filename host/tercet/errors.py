# SPDX-License-Identifier: Apache-2.0
"""Errors, named after who must act.

    TercetError
    +-- InputError        the user's file or option is wrong
    +-- InfeasibleError   the budget or the deadline cannot be met
    +-- BoardError        the board, its port, its card or its probe
    +-- MeterError        the power meter or its wiring
    +-- ArtifactError     a file made by tercet is damaged or belongs elsewhere
    +-- SetupError        something is not installed; the hint says how to install it
"""


class TercetError(Exception):
    """An error that a user can act on: what, the value, the limit, where; `hint` says what to try."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  try: {self.hint}" if self.hint else self.message


class InputError(TercetError):
    """The user's file or option is wrong."""


class InfeasibleError(TercetError):
    """No schedule meets the budget or the deadline.

    `smallest` holds the smallest feasible values that are known, e.g. {"ram_bytes": 93820, "deadline_ms": 131.2}.
    """

    def __init__(self, message: str, *, hint: str = "", smallest: dict[str, float] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.smallest = smallest or {}


class BoardError(TercetError):
    """The board, its serial port, its card or its debug probe."""


class MeterError(TercetError):
    """The power meter or its wiring."""


class ArtifactError(TercetError):
    """A file made by tercet is damaged, truncated or belongs to something else."""


class SetupError(TercetError):
    """Something is not installed."""
