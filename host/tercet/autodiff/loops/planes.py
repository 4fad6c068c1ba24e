# SPDX-License-Identifier: Apache-2.0
"""Counts of what works plane by plane: depthwise convolutions and pooling (`firmware/kernels/tk_depthwise.c`, `tk_pool.c`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tercet.autodiff.loops.products import Counts, times

_COUNTED = ("depthwise", "maxpool2d", "avgpool2d")


@dataclass(frozen=True)
class Plane:
    """A kernel over a plane of each image and channel."""

    planes: int
    channels: int
    height: int
    width: int
    out_height: int
    out_width: int
    kernel_height: int
    kernel_width: int
    stride_height: int
    stride_width: int
    top: int
    left: int

    def rows(self, row: int) -> int:
        """How many rows of the kernel lie inside the image at this row of the output."""
        return _inside(row * self.stride_height - self.top, self.kernel_height, self.height)

    def columns(self, column: int) -> int:
        """The same of its columns."""
        return _inside(column * self.stride_width - self.left, self.kernel_width, self.width)

    @property
    def in_fours(self) -> bool:
        """Whether every window is one of 2 x 2 inside the image, for which the maximum has a shorter way."""
        ends = self.stride_height * (self.out_height - 1) + 2, self.stride_width * (self.out_width - 1) + 2
        fits = ends[0] <= self.height and ends[1] <= self.width
        return self.kernel_height == self.kernel_width == 2 and self.top == self.left == 0 and fits


def _inside(position: int, kernel: int, extent: int) -> int:
    return max(0, min(kernel, extent - position) - max(0, -position))


def counted(op: str) -> bool:
    """Whether the operator is one of those here."""
    return op.startswith(_COUNTED)


def plane_of(named: dict[str, float]) -> Plane:
    """The shape of an operator's dimensions by name."""
    d = {name: int(value) for name, value in named.items() if name != "activation"}
    return Plane(
        d["batch"] * d["channels"], d["channels"], d["in_height"], d["in_width"], d["out_height"], d["out_width"],
        d["kernel_height"], d["kernel_width"], d["stride_height"], d["stride_width"], d["pad_top"], d["pad_left"],
    )  # fmt: skip


def way(op: str, p: Plane) -> str:
    """The kernel's branch, where it has more than one: `fours`, or `threes` under kernels of three columns without stride."""
    if op.startswith("maxpool2d_forward") and p.in_fours:
        return "fours"
    return "threes" if op == "depthwise_forward" and p.kernel_width == 3 and p.stride_width == 1 else ""


@lru_cache(maxsize=4096)
def plane(op: str, p: Plane) -> Counts:
    """The counts of an operator of this shape; not to be changed."""
    if op == "depthwise_forward":
        return {"start": 1.0, "planes": p.planes, **times(p.planes, _depthwise(p))}
    if op.startswith(("depthwise_backward_weights", "depthwise_update")):
        return {"start": 1.0, **_filters(p)}
    rows = [p.rows(row) for row in range(p.out_height)]
    columns = [p.columns(column) for column in range(p.out_width)]
    found: Counts = {
        "start": 1.0, "planes": p.planes, "lines": p.planes * p.out_height, "windows": p.planes * p.out_height * p.out_width,
        "window_rows": p.planes * sum(rows) * p.out_width, "taps": p.planes * sum(rows) * sum(columns),
    }  # fmt: skip
    return found | ({"plane_words": p.planes * p.height * p.width} if "backward" in op else {})


def _depthwise(p: Plane) -> Counts:
    """Eight, four or one pixel of a row at a time; the last eight of a row overlap with those before."""
    found = dict.fromkeys(("lines", "eights", "eight_rows", "fours", "four_rows", "ones", "one_rows", "one_taps"), 0.0)
    end = min(p.width - 2 + p.left, p.out_width)
    for row in range(p.out_height):
        rows, column = p.rows(row), 0
        found["lines"] += 1
        while column < p.out_width:
            left, back = column * p.stride_width - p.left, max(0, column + 8 - end)
            if left >= 0 and p.stride_width == 1 and p.kernel_width == 3 and back < 8 and left - back >= 0:
                kind, done = "eight", 8 - back
            elif left >= 0 and column + 4 <= p.out_width and left + 3 * p.stride_width + p.kernel_width <= p.width:
                kind, done = "four", 4
            else:
                kind, done = "one", 1
                found["one_taps"] += rows * p.columns(column)
            found[f"{kind}s"] += 1
            found[f"{kind}_rows"] += rows
            column += done
    return found | {"four_taps": found["four_rows"] * p.kernel_width, "words": float(p.out_height * p.out_width)}


def _filters(p: Plane) -> Counts:
    """The gradient of each element of a filter: a sum over the rows on which it lies inside the image."""
    rows = sum(p.rows(row) for row in range(p.out_height))
    taps = rows * sum(p.columns(column) for column in range(p.out_width))
    elements = p.channels * p.kernel_height * p.kernel_width
    return {
        "elements": float(elements), "lines": float(p.planes * p.kernel_height * p.kernel_width * p.out_height),
        "inside": float(p.planes * p.kernel_width * rows), "taps": float(p.planes * taps),
        "bias": float(p.planes * p.out_height * p.out_width), "planes": float(p.planes),
    }  # fmt: skip
