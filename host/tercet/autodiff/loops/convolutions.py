# SPDX-License-Identifier: Apache-2.0
"""Counts of the convolutions of `firmware/kernels/tk_conv*.c`: which way a shape goes, and how often its loops turn there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tercet.autodiff.loops.products import Counts, columns_by_columns, loops, rows_by_columns, times

_DEPTH, _PIECE = 72, 40  # products that a panel holds; a padded piece of a row
_DIRECT = ("calls", "blocks", "turns", "cuts", "cut_words", "cut_lines", "tiles", "tile_words")
_GATHERED = ("rows", "words", "strided_words", "zero_words", "piece_rows", "piece_words", "scattered_rows", "scattered_words")
_RUN_DATA, _RUN_WEIGHTS, _OUTPUTS = 64, 128, 16  # pixels and output channels that are taken at once


@dataclass(frozen=True)
class Shape:
    """A convolution of one group; `inputs` and `outputs` are channels of that group."""

    batch: int
    inputs: int
    height: int
    width: int
    outputs: int
    out_height: int
    out_width: int
    kernel_height: int
    kernel_width: int
    stride_height: int
    stride_width: int
    top: int
    left: int
    groups: int

    @property
    def pixels(self) -> int:
        """Of an image of the output."""
        return self.out_height * self.out_width

    @property
    def taps(self) -> int:
        """Products of one output element."""
        return self.inputs * self.kernel_height * self.kernel_width


def shape_of(named: dict[str, float]) -> Shape:
    """The shape of a convolution's dimensions by name."""
    d = {name: int(value) for name, value in named.items()}
    return Shape(
        d["batch"], d["in_channels"] // d["groups"], d["in_height"], d["in_width"], d["out_channels"] // d["groups"],
        d["out_height"], d["out_width"], d["kernel_height"], d["kernel_width"], d["stride_height"], d["stride_width"],
        d["pad_top"], d["pad_left"], d["groups"],
    )  # fmt: skip


def way(op: str, s: Shape) -> str:
    """The kernel's branch: `pointwise`, `direct` (with the kernel's width), `gathered`, `scattered` or `runs`."""
    if op.startswith(("conv2d_backward_weights", "conv2d_update")):
        return "runs"
    data = op.startswith("conv2d_backward_data")
    unit = s.stride_height == s.stride_width == 1
    same = (s.height, s.width) == (s.out_height, s.out_width)
    if s.kernel_height == s.kernel_width == 1 and unit and same and s.top == s.left == 0:
        return "pointwise"
    wide = 4 * s.pixels >= 3 * s.height * s.width
    if unit and s.kernel_width in (3, 5) and s.kernel_height * s.kernel_width <= _DEPTH and (wide or not data):
        return f"direct-{s.kernel_width}"
    return "scattered" if data else "gathered"


@lru_cache(maxsize=4096)
def conv(op: str, s: Shape) -> Counts:
    """The counts of an operator of this shape; not to be changed."""
    found, images = way(op, s), s.batch * s.groups
    if found == "runs":
        return {"start": 1.0, **_weights(s)}
    if op.startswith("conv2d_backward_data"):
        filled = {"start": 1.0, "filled": images * s.inputs * s.height * s.width, "images": images}
        if found == "pointwise":
            return filled | times(images, columns_by_columns(s.inputs, s.pixels, s.outputs))
        if found == "scattered":
            return filled | times(images, _scattered(s))
        turned = Shape(
            1, s.outputs, s.out_height, s.out_width, s.inputs, s.height, s.width, s.kernel_height, s.kernel_width, 1, 1,
            s.kernel_height - 1 - s.top, s.kernel_width - 1 - s.left, 1,
        )  # fmt: skip
        return filled | times(images, _direct(turned))
    filled = {"start": 1.0, "filled": images * s.outputs * s.pixels, "images": images, "channels": images * s.outputs}
    if found == "pointwise":
        return filled | times(images, rows_by_columns(s.outputs, s.pixels, s.inputs))
    return filled | times(images, _gathered(s) if found == "gathered" else _direct(s))


def _direct(s: Shape) -> Counts:
    """tk_direct: four output channels by four pixels, some input channels at a time."""
    most, quads, rest = _DEPTH // (s.kernel_height * s.kernel_width), s.outputs // 4, s.outputs % 4
    total = dict.fromkeys(_DIRECT, 0.0)
    for first in range(0, s.inputs, most):
        channels = min(most, s.inputs - first)
        for outputs, count in ((4, quads), (rest, 1)):
            for name, value in _part(s, channels, outputs).items() if outputs and count else ():
                total[name] += count * value
    return total | {"packed": 4.0 * (quads + (rest > 0)) * s.taps, "parts": float((quads + (rest > 0)) * -(-s.inputs // most))}


@lru_cache(maxsize=4096)
def _part(s: Shape, channels: int, outputs: int) -> Counts:
    """Four output channels (or the `outputs` that are left) and some input channels, over the whole image."""
    strip = 384 // (channels * (s.kernel_width + 3)) - s.kernel_height + 1
    total = dict.fromkeys(_DIRECT, 0.0)

    def blocks(count: int, pixels: int) -> None:
        whole = pixels == 4 and outputs == 4
        total["calls"] += 1 if whole else count
        total["blocks"] += count
        total["turns"] += count * channels * s.kernel_height
        total["tiles"] += 0 if whole else count
        total["tile_words"] += 0 if whole else outputs * (4 * (count - 1) + pixels)

    def at_end(row: int, rows: int, column: int) -> None:
        top, lines = row - s.top, rows + s.kernel_height - 1
        total["cuts"] += 1
        total["cut_words"] += channels * lines * (s.kernel_width + 3)
        total["cut_lines"] += channels * sum(0 <= line < s.height for line in range(top, top + lines))
        for _ in range(rows):
            blocks(1, min(4, s.out_width - column))

    for row in range(0, s.out_height, strip):
        rows, column = min(strip, s.out_height - row), 0
        while column < s.out_width:
            left = column - s.left
            count = 0 if left < 0 else min(s.out_width - column, s.width - left - s.kernel_width + 1) // 4
            for at in range(row, row + rows) if count > 0 else ():
                if at - s.top < 0 or at - s.top + s.kernel_height > s.height:
                    for b in range(count):
                        at_end(at, 1, column + 4 * b)
                else:
                    blocks(count, 4)
            if count <= 0:
                at_end(row, rows, column)
            column += 4 * max(count, 1)
    return total


def _gathered(s: Shape) -> Counts:
    """What four pixels read is gathered into a panel, row by row where they share one, then multiplied."""
    total = dict.fromkeys(_GATHERED, 0.0)
    for first in range(0, s.pixels, 4):
        row, column = divmod(first, s.out_width)
        count = min(4, s.pixels - first)
        if column + count > s.out_width or s.kernel_width + 3 * s.stride_width > _PIECE:
            total["scattered_rows"] += 4 * s.inputs * s.kernel_height
            total["scattered_words"] += 4 * s.taps
            continue
        top, left, span = row * s.stride_height - s.top, column * s.stride_width - s.left, s.kernel_width + 3 * s.stride_width
        there = s.inputs * sum(0 <= top + r < s.height for r in range(s.kernel_height))
        total["rows"] += s.inputs * s.kernel_height
        total["zero_words"] += (s.inputs * s.kernel_height - there) * s.kernel_width
        total["words" if s.stride_width == 1 else "strided_words"] += there * s.kernel_width
        if left < 0 or left + span > s.width:
            total["piece_rows"] += there
            total["piece_words"] += there * (min(span, s.width - left) - max(0, -left))
    most = _DEPTH // s.kernel_width * s.kernel_width if s.kernel_width < _DEPTH else _DEPTH
    depths = [min(most, s.taps - done) for done in range(0, s.taps, most)]
    whole, ragged = s.pixels // 4, s.pixels % 4 > 0
    by_blocks = whole * (s.outputs // 4)
    single = whole * (s.outputs % 4) + ragged * s.outputs
    return total | {
        "panels": float((whole + ragged) * len(depths)),
        **{name: sum(loops("block", by_blocks, depth, 4)[name] for depth in depths) for name in loops("block", 1, 1, 4)},
        **{name: sum(loops("single", single, depth, 4)[name] for depth in depths) for name in loops("single", 1, 1, 4)},
    }


def _lines(s: Shape, run: int) -> Iterator[list[tuple[int, int, int]]]:
    """The runs of pixels of the output, each as pieces (row, first column, columns)."""
    for first in range(0, s.pixels, run):
        pieces, left = [], min(run, s.pixels - first)
        row, column = divmod(first, s.out_width)
        while left:
            length = min(left, s.out_width - column)
            pieces.append((row, column, length))
            left, row, column = left - length, row + 1, 0
        yield pieces


def _under(s: Shape, piece: tuple[int, int, int], row: int, column: int) -> int:
    """How many pixels of a piece have element (row, column) of the kernel inside the image."""
    line, first, length = piece
    if not 0 <= line * s.stride_height - s.top + row < s.height:
        return 0
    at = first * s.stride_width - s.left + column
    before = min(length, -(at // s.stride_width)) if at < 0 else 0
    until = min(length, -(-(s.width - at) // s.stride_width)) if at < s.width else 0
    return max(0, until - before)


def _pieces(s: Shape, run: int) -> Counts:
    """Of all elements of a plane of the kernel: pieces of rows that are copied or added, their words inside and beside."""
    found = {"pieces": 0.0, "words": 0.0, "beside": 0.0}
    for pieces in _lines(s, run):
        for piece in pieces:
            inside = sum(_under(s, piece, r, c) for r in range(s.kernel_height) for c in range(s.kernel_width))
            found["pieces"] += s.kernel_height * s.kernel_width
            found["words"] += inside
            found["beside"] += s.kernel_height * s.kernel_width * piece[2] - inside
    return found


def _stepped(s: Shape, counts: Counts) -> Counts:
    """Words that are neighbours go faster than others."""
    words = counts["words"]
    return counts | {"words": words * (s.stride_width == 1), "strided_words": words * (s.stride_width > 1)}


def _scattered(s: Shape) -> Counts:
    """Sums over the output channels for a run of pixels and four elements of the kernel, added where these lie."""
    lengths = [min(_RUN_DATA, s.pixels - first) for first in range(0, s.pixels, _RUN_DATA)]
    quads, rest = s.taps // 4, s.taps % 4
    blocks = quads * sum(length // 4 for length in lengths)
    rows = quads * 4 * sum(length % 4 > 0 for length in lengths) + rest * len(lengths)
    eights = rest * sum(length // 8 for length in lengths)
    fours = rest * sum(length % 8 // 4 for length in lengths)
    singles = (4 * quads + rest) * sum(length % 4 for length in lengths)
    return {
        "runs": float(len(lengths) * (quads + (rest > 0))), **_stepped(s, times(s.inputs, _pieces(s, _RUN_DATA))),
        "columns": float(rows), "column_words": float(rows * s.outputs), **loops("block", blocks, s.outputs, 4),
        **loops("combine8", eights, s.outputs, 4), **loops("combine4", fours, s.outputs, 4),
        **loops("single", singles, s.outputs, 1),
    }  # fmt: skip


def _weights(s: Shape) -> Counts:
    """Runs of what an element of the kernel reads, copied and multiplied with runs of the gradient of up to 16 channels."""
    parts = [min(_OUTPUTS, s.outputs - first) for first in range(0, s.outputs, _OUTPUTS)]
    lengths = [min(_RUN_WEIGHTS, s.pixels - first) for first in range(0, s.pixels, _RUN_WEIGHTS)]
    quads, rest, images = s.taps // 4, s.taps % 4, s.batch * s.groups
    copied = _stepped(s, times(images * len(parts) * s.inputs, _pieces(s, _RUN_WEIGHTS)))
    blocks = images * quads * sum(part // 4 for part in parts)
    dots = images * (quads * 4 * sum(part % 4 for part in parts) + rest * s.outputs)
    return {
        "tiles": float(s.groups * len(parts) * (quads + (rest > 0))), "sinks": float(s.groups * s.outputs * s.taps),
        "runs": float(images * len(parts) * (quads + (rest > 0)) * len(lengths)), **copied,
        **{name: sum(loops("block", blocks, length, 4)[name] for length in lengths) for name in loops("block", 1, 1, 4)},
        **{name: sum(loops("dot", dots, length, 8)[name] for length in lengths) for name in loops("dot", 1, 1, 8)},
        "bias_rows": float(images * s.outputs), "bias": float(images * s.outputs * s.pixels),
    }  # fmt: skip
