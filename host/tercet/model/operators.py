# SPDX-License-Identifier: Apache-2.0
"""What a layer does to shapes and which parameters it has: one row per operator of a model.

Shapes have no batch. Images are (channels, height, width), sequences (tokens, width), signals (channels, length); a
convolution or pooling of a signal is one of height 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tercet.errors import InputError

Shape = tuple[int, ...]
Attrs = dict[str, Any]
# Those that a kernel before them can apply to its own output, and whose derivative follows from that output.
FUSIBLE = ("relu", "tanh", "sigmoid", "relu6")
ACTIVATION_KINDS = (*FUSIBLE, "leaky_relu", "gelu", "gelu_tanh")


@dataclass(frozen=True)
class Operator:
    """A model's operator: output shape and parameters {role: (shape, initialiser)} from attributes and input shapes."""

    shape: Callable[[str, Attrs, list[Shape]], Shape]
    parameters: Callable[[Attrs, list[Shape]], dict[str, tuple[Shape, str]]] = lambda attrs, shapes: {}


def product(shape: Shape) -> int:
    """The number of elements of a shape."""
    total = 1
    for extent in shape:
        total *= extent
    return total


def as_image(shape: Shape) -> tuple[int, int, int]:
    """(channels, height, width) of an image or of a signal (channels, length)."""
    channels, *rest = shape
    return (channels, 1, rest[0]) if len(rest) == 1 else (channels, rest[0], rest[1])


def window_shape(where: str, attrs: Attrs, shape: Shape) -> tuple[int, int]:
    """The output height and width of a window that slides over an image.

    Attributes: `kernel` and `stride` (height, width), `pad` (top, left, bottom, right).
    """
    if len(shape) not in (2, 3):
        raise InputError(f"{where}: needs an image or a signal, found shape {list(shape)}")
    _, height, width = as_image(shape)
    (kh, kw), (sh, sw), (top, left, bottom, right) = attrs["kernel"], attrs["stride"], attrs["pad"]
    # a pool needs an element of the image in every window
    empty = "channels" not in attrs and (max(top, bottom) >= kh or max(left, right) >= kw)
    if min(kh, kw, sh, sw) < 1 or min(attrs["pad"]) < 0 or empty:
        raise InputError(f"{where}: a window of {kh}x{kw} with stride {sh}x{sw} and padding {attrs['pad']} makes no sense")
    out = (height + top + bottom - kh) // sh + 1, (width + left + right - kw) // sw + 1
    if min(out) < 1:
        raise InputError(f"{where}: a window of {kh}x{kw} does not fit an image of {height}x{width}")
    return out


def _window(where: str, attrs: Attrs, shapes: list[Shape], channels: int) -> Shape:
    out = window_shape(where, attrs, shapes[0])
    return (channels, out[1]) if len(shapes[0]) == 2 else (channels, *out)


def _conv_shape(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    if shapes[0][0] % attrs["groups"] or attrs["channels"] % attrs["groups"]:
        raise InputError(
            f"{where}: {shapes[0][0]} -> {attrs['channels']} channels are not divisible into {attrs['groups']} groups"
        )
    return _window(where, attrs, shapes, attrs["channels"])


def _conv_parameters(attrs: Attrs, shapes: list[Shape]) -> dict[str, tuple[Shape, str]]:
    weights = (attrs["channels"], shapes[0][0] // attrs["groups"], *attrs["kernel"])
    return {"w": (weights, attrs.get("init", "he")), **_bias(attrs, attrs["channels"])}


def _bias(attrs: Attrs, width: int) -> dict[str, tuple[Shape, str]]:
    return {"b": ((width,), "zeros")} if attrs["bias"] else {}


def _dense_parameters(attrs: Attrs, shapes: list[Shape]) -> dict[str, tuple[Shape, str]]:
    return {"w": ((attrs["units"], shapes[0][-1]), attrs.get("init", "he")), **_bias(attrs, attrs["units"])}


def _same(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    if any(shape != shapes[0] for shape in shapes):
        raise InputError(f"{where}: the shapes differ: {', '.join(str(list(shape)) for shape in shapes)}")
    return shapes[0]


def _activation(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    if attrs["kind"] not in ACTIVATION_KINDS:
        raise InputError(f"{where}: unknown activation {attrs['kind']!r}", hint=", ".join(ACTIVATION_KINDS))
    return shapes[0]


def _concat(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    axis = attrs["axis"]
    if any(s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
        raise InputError(f"{where}: {[list(s) for s in shapes]} cannot be joined along axis {axis}")
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


def _reshape(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    shape = tuple(attrs["shape"])
    if product(shape) != product(shapes[0]):
        raise InputError(f"{where}: {list(shapes[0])} cannot be laid out as {list(shape)}")
    return shape


def _slice(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    axis, first, width = attrs["axis"], attrs["first"], attrs["width"]
    if not 0 <= axis < len(shapes[0]) or first < 0 or first + width > shapes[0][axis]:
        raise InputError(f"{where}: elements {first}..{first + width} of axis {axis} are not all in {list(shapes[0])}")
    return (*shapes[0][:axis], width, *shapes[0][axis + 1 :])


def collapse(shape: Shape, axes: list[int]) -> tuple[Shape, list[int]]:
    """(shape, axes) of the same reordering with the axes of 1 left out and those joined that stay neighbours."""
    order = [axis for axis in axes if shape[axis] != 1]
    groups: list[list[int]] = []
    for axis in order:
        between = [n for n in range(groups[-1][-1] + 1, axis) if shape[n] != 1] if groups else [0]
        if groups and axis > groups[-1][-1] and not between:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    ranked = sorted(groups)
    extents = tuple(product(tuple(shape[axis] for axis in group)) for group in ranked)
    return extents, [ranked.index(group) for group in groups]


def _transpose(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    axes = attrs["axes"]
    if sorted(axes) != list(range(len(shapes[0]))) or len(collapse(shapes[0], axes)[0]) > 3:
        raise InputError(f"{where}: axes {list(axes)} do not reorder shape {list(shapes[0])}, or move more than three")
    return tuple(shapes[0][axis] for axis in axes)


def _channels(names: tuple[str, ...]) -> Callable[[Attrs, list[Shape]], dict[str, tuple[Shape, str]]]:
    inits = {"gamma": "ones", "beta": "zeros"}
    return lambda attrs, shapes: {name: ((shapes[0][0],), inits.get(name, name)) for name in names}


def _group_norm(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    if shapes[0][0] % attrs["groups"]:
        raise InputError(f"{where}: {shapes[0][0]} channels are not divisible into {attrs['groups']} groups")
    return shapes[0]


def _heads(where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    if shapes[0] != shapes[1] or shapes[0][-1] % attrs["heads"]:
        raise InputError(f"{where}: {[list(s) for s in shapes]} (query, key) do not split into {attrs['heads']} heads")
    return (attrs["heads"], shapes[0][0], shapes[0][0])


def infer(op: str, where: str, attrs: Attrs, shapes: list[Shape]) -> Shape:
    """The output shape of a layer; raises InputError when its attributes make no sense or do not fit its inputs."""
    numbers = {name: value for name, value in attrs.items() if isinstance(value, float)}
    wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
    wrong += [name for name in ("epsilon", "keep", "drop") if numbers.get(name, 0.0) < 0]
    wrong += [name for name in ("keep", "drop") if numbers.get(name, 0.0) > 1]
    if wrong or attrs.get("drop", 0.0) == 1 or min((attrs.get(name, 1) for name in _SIZES), default=1) < 1:
        raise InputError(f"{where}: settings {attrs} make no sense")
    return OPERATORS[op].shape(where, attrs, shapes)


_SIZES = ("units", "channels", "groups", "heads", "vocabulary", "width")
OPERATORS: dict[str, Operator] = {
    "dense": Operator(lambda where, a, s: (*s[0][:-1], a["units"]), _dense_parameters),
    "conv2d": Operator(_conv_shape, _conv_parameters),
    "max_pool": Operator(lambda where, a, s: _window(where, a, s, s[0][0])),
    "average_pool": Operator(lambda where, a, s: _window(where, a, s, s[0][0])),
    "global_average_pool": Operator(lambda where, a, s: (s[0][0],)),
    "activation": Operator(_activation),
    "softmax": Operator(lambda where, a, s: s[0]),
    "scale": Operator(lambda where, a, s: s[0]),
    "add": Operator(_same),
    "multiply": Operator(_same),
    "concat": Operator(_concat),
    "reshape": Operator(_reshape),
    "flatten": Operator(lambda where, a, s: (product(s[0]),)),
    "transpose": Operator(_transpose),
    "dropout": Operator(lambda where, a, s: s[0]),
    "batch_norm": Operator(lambda where, a, s: s[0], _channels(("gamma", "beta", "running_mean", "running_variance"))),
    "group_norm": Operator(_group_norm, _channels(("gamma", "beta"))),
    "layer_norm": Operator(
        lambda where, a, s: s[0], lambda a, s: {"gamma": ((s[0][-1],), "ones"), "beta": ((s[0][-1],), "zeros")}
    ),
    "embedding": Operator(lambda where, a, s: (*s[0], a["width"]), lambda a, s: {"w": ((a["vocabulary"], a["width"]), "normal")}),
    "position": Operator(lambda where, a, s: s[0], lambda a, s: {"w": (s[0], "normal")}),
    "attention_scores": Operator(_heads),
    "attention_mix": Operator(lambda where, a, s: s[1]),
    "slice": Operator(_slice),
}
