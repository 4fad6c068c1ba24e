# SPDX-License-Identifier: Apache-2.0
"""Page-only, exact: nothing runs again."""

from __future__ import annotations

from typing import Any

from tercet.solve.exact import exact
from tercet.solve.problem import Problem
from tercet.solve.solution import Solution


def page_only(problem: Problem, **options: Any) -> Solution:
    """The best schedule that only pages; its bound holds for that restriction."""
    return exact(problem, rerun=False, **options)
