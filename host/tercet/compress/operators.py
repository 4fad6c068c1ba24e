# SPDX-License-Identifier: Apache-2.0
"""Forward and backward of a model's operators over batches, in NumPy f32, fast enough to fine-tune small networks.

Each operator is `forward(attrs, inputs, parameters) -> (output, saved)` and two functions of
`(attrs, saved, parameters, gradient)`: the gradients of its inputs and those of its parameters.
Batch first, images NCHW. Batch normalisation uses its running statistics, which fine-tuning leaves alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.compress.windowed import WINDOWED, Array, Attrs, Operator, Parameters


def _dense_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    out = inputs[0] @ p["w"].T
    return (out + p["b"] if "b" in p else out), inputs[0]


def _dense_to_inputs(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> list[Array]:
    return [dy @ p["w"]]


def _dense_to_parameters(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> Parameters:
    flat_dy, flat_x = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    grads = {"w": flat_dy.T @ flat_x}
    return grads | {"b": flat_dy.sum(0)} if "b" in p else grads


def _global_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    return inputs[0].mean(tuple(range(2, inputs[0].ndim))), inputs[0].shape


def _global_to_inputs(attrs: Attrs, shape: Any, p: Parameters, dy: Array) -> list[Array]:
    share = dy / np.float32(np.prod(shape[2:]))
    return [np.broadcast_to(share.reshape(*share.shape, *[1] * (len(shape) - 2)), shape)]


def _activation_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x, kind = inputs[0], attrs["kind"]
    if kind == "relu":
        y = np.maximum(x, 0)
    elif kind == "relu6":
        y = np.clip(x, 0, 6)
    elif kind == "tanh":
        y = np.tanh(x)
    elif kind == "sigmoid":
        y = 1 / (1 + np.exp(-x))
    else:  # leaky_relu
        y = np.where(x > 0, x, np.float32(attrs["alpha"]) * x)
    return y, y


def _activation_to_inputs(attrs: Attrs, y: Array, p: Parameters, dy: Array) -> list[Array]:
    slope = {
        "relu": lambda: y > 0,
        "relu6": lambda: (y > 0) & (y < 6),
        "tanh": lambda: 1 - y * y,
        "sigmoid": lambda: y * (1 - y),
        "leaky_relu": lambda: np.where(y > 0, 1, attrs["alpha"]).astype(np.float32),
    }[attrs["kind"]]()
    return [dy * slope]


def _reshape_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x = inputs[0]
    return x.reshape(len(x), *attrs.get("shape", [-1])), x.shape


def _batch_norm_scale(attrs: Attrs, p: Parameters) -> Array:
    return p["gamma"] / np.sqrt(p["running_variance"] + np.float32(attrs["epsilon"]))


def _over(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def _norm_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    x = inputs[0]
    return (x - _over(p["running_mean"], x)) * _over(_batch_norm_scale(attrs, p), x) + _over(p["beta"], x), x


def _norm_to_inputs(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> list[Array]:
    return [dy * _over(_batch_norm_scale(attrs, p), x)]


def _norm_to_parameters(attrs: Attrs, x: Array, p: Parameters, dy: Array) -> Parameters:
    axes = (0, *range(2, x.ndim))
    deviation = np.sqrt(p["running_variance"] + np.float32(attrs["epsilon"]))
    centred = (x - _over(p["running_mean"], x)) / _over(deviation, x)
    return {"gamma": (dy * centred).sum(axes), "beta": dy.sum(axes)}


def _reshape_to_inputs(attrs: Attrs, shape: Any, p: Parameters, dy: Array) -> list[Array]:
    return [dy.reshape(shape)]


def _concat_forward(attrs: Attrs, inputs: list[Array], p: Parameters) -> tuple[Array, Any]:
    axis = attrs["axis"] + 1
    return np.concatenate(inputs, axis), [x.shape[axis] for x in inputs]


def _concat_to_inputs(attrs: Attrs, extents: Any, p: Parameters, dy: Array) -> list[Array]:
    return np.split(dy, np.cumsum(extents)[:-1], attrs["axis"] + 1)


OPERATORS: dict[str, Operator] = {
    **WINDOWED,
    "dense": Operator(_dense_forward, _dense_to_inputs, _dense_to_parameters),
    "global_average_pool": Operator(_global_forward, _global_to_inputs),
    "activation": Operator(_activation_forward, _activation_to_inputs),
    "flatten": Operator(_reshape_forward, _reshape_to_inputs),
    "reshape": Operator(_reshape_forward, _reshape_to_inputs),
    "add": Operator(lambda attrs, x, p: (x[0] + x[1], None), lambda attrs, saved, p, dy: [dy, dy]),
    "multiply": Operator(
        lambda attrs, x, p: (x[0] * x[1], (x[0], x[1])), lambda attrs, saved, p, dy: [dy * saved[1], dy * saved[0]]
    ),
    "concat": Operator(_concat_forward, _concat_to_inputs),
    "dropout": Operator(lambda attrs, x, p: (x[0], None), lambda attrs, saved, p, dy: [dy]),
    "batch_norm": Operator(_norm_forward, _norm_to_inputs, _norm_to_parameters),
}
ACTIVATION_KINDS = ("relu", "relu6", "tanh", "sigmoid", "leaky_relu")
