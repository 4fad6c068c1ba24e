# SPDX-License-Identifier: Apache-2.0
"""Rematerialise-only, exact: the problem of Checkmate (Jain et al., 2020) with event-exact memory."""

from __future__ import annotations

from typing import Any

from tercet.solve.exact import exact
from tercet.solve.problem import Problem
from tercet.solve.solution import Solution


def remat_only(problem: Problem, **options: Any) -> Solution:
    """The best schedule without the card; its bound holds for that restriction."""
    return exact(problem, paging=False, **options)
