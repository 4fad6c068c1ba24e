# SPDX-License-Identifier: Apache-2.0
"""Kernels on tiles of outputs: the whole layer's kernels on a part of y and dz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Function = Callable[[dict[str, Array], Any, dict[str, float]], None]


def tile(whole: Function) -> Function:
    """The kernel of a tile: it reads or writes its outputs `first` .. of `total` and adds to dx, which the first one clears."""

    def run(t: dict[str, Array], d: Any, hyper: dict[str, float]) -> None:
        part = dict(t)
        for role in ("y", "dz"):
            if role in t:
                part[role] = _outputs(t[role], d)
        if "dx" not in t:
            whole(part, d, hyper)
            return
        part["dx"] = np.empty_like(t["dx"])
        whole(part, d, hyper)
        t["dx"][...] = part["dx"] if d["first"] == 0 else t["dx"] + part["dx"]

    return run


def _outputs(values: Array, d: Any) -> Array:
    """A view [batch, outputs of the tile, ...] of a tensor with all outputs."""
    shape = (d["batch"], d["total"], *((d["out_height"], d["out_width"]) if "out_height" in d else ()))
    count = d["out_channels"] if "out_channels" in d else d["outputs"]
    return values.reshape(shape)[:, d["first"] : d["first"] + count]
