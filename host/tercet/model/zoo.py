# SPDX-License-Identifier: Apache-2.0
"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable

from tercet.errors import InputError
from tercet.model.builder import mlp
from tercet.model.graph import Model


def demo() -> Model:
    """The MLP of `tercet demo`: handwritten digits of 8x8, six hidden layers of 48."""
    return mlp("demo", [64, 48, 48, 48, 48, 48, 48, 10])


ZOO: dict[str, Callable[[], Model]] = {"demo": demo}


def build(name: str) -> Model:
    """The network of that name; raises InputError that lists them."""
    if name not in ZOO:
        raise InputError(f"no network is called {name!r}", hint=", ".join(ZOO))
    return ZOO[name]()
