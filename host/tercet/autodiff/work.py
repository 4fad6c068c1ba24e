# SPDX-License-Identifier: Apache-2.0
"""What one run of an operator takes: multiply-accumulates, floating-point operations and bytes of workspace."""

from __future__ import annotations

from math import prod

from tercet.kernel_table import KERNELS, named_dims


def macs(op: str, dims: tuple[int, ...]) -> int:
    """The multiply-accumulates of one run; 0 where the operator has no sums of products (element-wise ones)."""
    named = {name: int(value) for name, value in named_dims(op, dims).items()}
    family = op.split("_", maxsplit=1)[0]
    if family == "dense":
        return named["batch"] * named["inputs"] * named["outputs"]
    window = prod(named.get(name, 0) for name in ("out_height", "out_width", "kernel_height", "kernel_width"))
    if family == "conv2d":
        return named["batch"] * named["out_channels"] * named["in_channels"] // named["groups"] * window
    if family == "depthwise":
        return named["batch"] * named["channels"] * window
    if family == "attention":
        return named["batch"] * named["heads"] * named["tokens"] ** 2 * named["head_width"]
    return 0


# Operations per element of the largest tensor of an element-wise operator; exponentials count as one.
_PER_ELEMENT = {
    "softmax_cross_entropy": 5, "softmax_forward": 4, "softmax_backward": 4, "gelu_forward": 6, "gelu_backward": 10,
    "batchnorm_statistics": 4, "batchnorm_forward": 2, "batchnorm_backward": 7, "groupnorm_forward": 7,
    "groupnorm_backward": 9, "sgd_update": 2, "momentum_update": 4, "adam_update": 11, "activation_backward": 2,
    "copy": 0, "concat": 0, "slice": 0, "transpose": 0, "read_input": 0, "read_labels": 0,
}  # fmt: skip


def flops(op: str, dims: tuple[int, ...]) -> int:
    """Floating-point operations of one run: two per multiply-accumulate, otherwise counted per element."""
    products = macs(op, dims)
    if products:
        return 2 * products
    return _PER_ELEMENT.get(op, 1) * elements(op, dims)


def elements(op: str, dims: tuple[int, ...]) -> int:
    """The elements over which an operator without products runs (for windows: window elements read)."""
    named = {name: int(value) for name, value in named_dims(op, dims).items()}
    if "count" in named:
        return named["count"]
    if op.startswith(("maxpool", "avgpool")):
        names: tuple[str, ...] = ("batch", "channels", "out_height", "out_width", "kernel_height", "kernel_width")
    elif op in ("concat", "slice"):
        return named["outer"] * (named.get("width_y") or named["width_a"] + named["width_b"])
    elif op == "transpose":
        names = tuple(f"extent_{axis}" for axis in range(4))
    else:
        settings = ("groups", "epsilon", "activation", "vocabulary", "first", "keep", "delta")
        names = tuple(name for name in named if name not in settings)
    return prod(named[name] for name in names)


def workspace_bytes(op: str, dims: tuple[int, ...]) -> int:
    """The bytes of scratch memory, 16-byte aligned, that the device's kernel needs beside its operands."""
    if op not in KERNELS:
        raise KeyError(op)
    return 0
