# SPDX-License-Identifier: Apache-2.0
"""The one table of device operators: opcode, tensor operands and integer dimensions, each in order.

Lowering, the device's generated constants, the C dispatcher and the NumPy reference follow this table. Tensor
operands are ordered outputs, then mutated (weights and state), then inputs. `hyper` names the float settings that the
training loop supplies at each step (learning rate first), so that a schedule of rates needs no new plan.

A dimension pair `NAME_low, NAME_high` holds the halves of one 32-bit word: an element count, or (`alpha epsilon factor
drop delta keep`) the bits of an f32. An operand in `optional` may be absent: its pointer is null. A tensor that an
output takes over in place is no operand when the kernel works on the one buffer (`dz`, `dlogits`); elsewhere output and
input may share their address exactly when `aliases` names the pair.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# The device keeps the float settings of a step in one vector; a kernel finds each of its `hyper` names at this index.
HYPER = (
    "rate", "momentum", "decay", "beta1", "beta2", "epsilon", "correction1", "correction2", "clip", "seed", "step",
)  # fmt: skip
ACTIVATIONS = {"none": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "relu6": 4}


@dataclass(frozen=True)
class Kernel:
    """An operator of the device.

    `tensors` are operand names in order; `dims` integer settings in order (uint16 unless stated); `hyper` the float
    settings of a step; `optional` operands that may be absent; `aliases` pairs (output, input) that may share a buffer.
    """

    name: str
    opcode: int
    tensors: tuple[str, ...]
    dims: tuple[str, ...]
    hyper: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    @property
    def on_device(self) -> bool:
        """Whether the board has a kernel for it, or reads it from its data; the others run in the NumPy reference."""
        return not self.name.startswith(_REFERENCE_ONLY)


_REFERENCE_ONLY = ("attention_", "embedding_", "gelu_", "position_")
_COUNT = ("count_low", "count_high")
_EPSILON = ("epsilon_low", "epsilon_high")
_ALPHA = ("alpha_low", "alpha_high")
_DENSE = ("batch", "inputs", "outputs")
_WINDOW = ("kernel_height", "kernel_width", "stride_height", "stride_width", "pad_top", "pad_left")
_CONV = ("batch", "in_channels", "in_height", "in_width", "out_channels", "out_height", "out_width", *_WINDOW, "groups")
# depthwise weights are [channels, 1, kernel_height, kernel_width]; pooling has the same dimensions
# a tile of outputs: how many come before it, and how many the whole layer has
_TILE = ("first", "total")
_PLANE = ("batch", "channels", "in_height", "in_width", "out_height", "out_width", *_WINDOW)
_NORM = ("batch", "channels", "spatial")
_GROUPS = ("batch", "channels", "spatial", "groups", *_EPSILON)
_HEADS = ("batch", "tokens", "heads", "head_width")
_B = ("b",)
_DB = ("db",)

_ROWS = (
    # opcode 0 is reserved. 1..: data; 16..: dense, losses; 64..: convolutions; 128..: element-wise; 192..: optimizers
    Kernel("read_input", 1, ("x",), ("batch", "features")),  # f32; token inputs are u16 (read_tokens)
    Kernel("read_labels", 2, ("labels",), ("batch", "width")),  # u16 class numbers
    Kernel("read_targets", 3, ("target",), ("batch", "width")),  # f32
    Kernel("read_tokens", 4, ("ids",), ("batch", "width")),  # u16
    # rows `first` .. `first + batch` of the step's data: micro-batches
    Kernel("read_input_rows", 5, ("x",), ("batch", "features", "first")),
    Kernel("read_labels_rows", 6, ("labels",), ("batch", "width", "first")),
    Kernel("read_targets_rows", 7, ("target",), ("batch", "width", "first")),
    Kernel("read_tokens_rows", 8, ("ids",), ("batch", "width", "first")),
    # dense: w [outputs, inputs]
    Kernel("dense_forward", 16, ("y", "x", "w", "b"), (*_DENSE, "activation"), optional=_B),
    Kernel("dense_backward_data", 17, ("dx", "dz", "w"), _DENSE),
    Kernel("dense_backward_weights", 18, ("dw", "db", "dz", "x"), _DENSE, optional=_DB),
    Kernel("dense_update_sgd", 19, ("w", "b", "dz", "x"), _DENSE, ("rate",), _B),
    Kernel("dense_update_momentum", 20, ("w", "b", "vw", "vb", "dz", "x"), _DENSE, ("rate", "momentum"), ("b", "vb")),
    Kernel("activation_backward", 24, ("dz", "y"), (*_COUNT, "activation")),  # dz in the buffer of dy
    # losses: the gradient stands in the buffer of the prediction; metric is f32[2]: summed loss, number correct (or 0)
    Kernel("softmax_cross_entropy", 32, ("dlogits", "metric", "labels"), ("batch", "classes")),
    Kernel("mean_squared_error", 33, ("dy", "metric", "target"), ("batch", "width")),
    Kernel("binary_cross_entropy", 34, ("dlogits", "metric", "target"), ("batch", "width")),
    Kernel("mean_absolute_error", 35, ("dy", "metric", "target"), ("batch", "width")),
    Kernel("huber", 36, ("dy", "metric", "target"), ("batch", "width", "delta_low", "delta_high")),
    # transformers (host reference only until the device has them)
    Kernel("embedding_forward", 40, ("y", "ids", "w"), ("tokens", "vocabulary", "width")),
    Kernel("embedding_backward_weights", 41, ("dw", "dy", "ids"), ("tokens", "vocabulary", "width")),
    Kernel("embedding_update_sgd", 42, ("w", "dy", "ids"), ("tokens", "vocabulary", "width"), ("rate",)),
    Kernel("position_forward", 43, ("y", "x", "w"), ("batch", "tokens", "width"), aliases=(("y", "x"),)),
    Kernel("position_backward_weights", 44, ("dw", "dy"), ("batch", "tokens", "width")),
    # q, k, v [batch, tokens, heads * head_width]; p [batch, heads, tokens, tokens] = softmax(q k' / sqrt(head_width))
    Kernel("attention_scores", 48, ("p", "q", "k"), (*_HEADS, "causal")),
    Kernel("attention_mix", 49, ("y", "p", "v"), _HEADS),
    Kernel("attention_mix_backward_scores", 50, ("dp", "dy", "v"), _HEADS),
    Kernel("attention_mix_backward_value", 51, ("dv", "dy", "p"), _HEADS),
    Kernel("attention_scores_backward_query", 52, ("dq", "ds", "k"), _HEADS),
    Kernel("attention_scores_backward_key", 53, ("dk", "ds", "q"), _HEADS),
    # convolutions: w [out_channels, in_channels / groups, kernel_height, kernel_width]; one-dimensional: height 1
    Kernel("conv2d_forward", 64, ("y", "x", "w", "b"), (*_CONV, "activation"), optional=_B),
    Kernel("conv2d_backward_data", 65, ("dx", "dz", "w"), _CONV),
    Kernel("conv2d_backward_weights", 66, ("dw", "db", "dz", "x"), _CONV, optional=_DB),
    Kernel("conv2d_update_sgd", 67, ("w", "b", "dz", "x"), _CONV, ("rate",), _B),
    Kernel("conv2d_update_momentum", 68, ("w", "b", "vw", "vb", "dz", "x"), _CONV, ("rate", "momentum"), ("b", "vb")),
    Kernel("depthwise_forward", 72, ("y", "x", "w", "b"), (*_PLANE, "activation"), optional=_B),
    Kernel("depthwise_backward_data", 73, ("dx", "dz", "w"), _PLANE),
    Kernel("depthwise_backward_weights", 74, ("dw", "db", "dz", "x"), _PLANE, optional=_DB),
    Kernel("depthwise_update_sgd", 75, ("w", "b", "dz", "x"), _PLANE, ("rate",), _B),
    Kernel("depthwise_update_momentum", 76, ("w", "b", "vw", "vb", "dz", "x"), _PLANE, ("rate", "momentum"), ("b", "vb")),
    # pooling; argmax is the index in the window (row-major, the first of equals), u8 up to 256 elements, else u16
    Kernel("maxpool2d_forward", 80, ("y", "argmax", "x"), _PLANE),
    Kernel("maxpool2d_backward", 81, ("dx", "dy", "argmax"), _PLANE),
    # the same without argmax: dx stands in the buffer of x, which is destroyed; windows must not overlap
    Kernel("maxpool2d_forward_only", 82, ("y", "x"), _PLANE),
    Kernel("maxpool2d_backward_inplace", 83, ("dx", "dy"), _PLANE),
    Kernel("avgpool2d_forward", 84, ("y", "x"), (*_PLANE, "count_padding")),
    Kernel("avgpool2d_backward", 85, ("dx", "dy"), (*_PLANE, "count_padding")),
    Kernel("global_average_forward", 86, ("y", "x"), _NORM),
    Kernel("global_average_backward", 87, ("dx", "dy"), _NORM),
    # normalisation; mean and variance per channel (batch) or per group [batch, groups]; variance is the biased one
    Kernel("batchnorm_statistics", 96, ("mean", "variance", "x"), _NORM),
    Kernel(
        "batchnorm_forward", 97, ("y", "x", "mean", "variance", "gamma", "beta"), (*_NORM, *_EPSILON, "activation"),
        aliases=(("y", "x"),),
    ),
    Kernel(
        "batchnorm_backward",
        98,
        ("dx", "dgamma", "dbeta", "dy", "x", "mean", "variance", "gamma"),
        (*_NORM, *_EPSILON),
        aliases=(("dx", "dy"),),
    ),
    # running = keep * running + (1 - keep) * batch, the variance with Bessel's correction
    Kernel(
        "batchnorm_running",
        99,
        ("running_mean", "running_variance", "mean", "variance"),
        (*_NORM, "keep_low", "keep_high"),
    ),
    Kernel(
        "batchnorm_frozen_backward",
        100,
        ("dx", "dy", "variance", "gamma"),
        (*_NORM, *_EPSILON),
        aliases=(("dx", "dy"),),
    ),
    # layer norm over the last axis has spatial 1 and groups 1
    Kernel("groupnorm_forward", 104, ("y", "mean", "variance", "x", "gamma", "beta"), _GROUPS),
    Kernel(
        "groupnorm_backward",
        105,
        ("dx", "dgamma", "dbeta", "dy", "x", "mean", "variance", "gamma"),
        _GROUPS,
        aliases=(("dx", "dy"),),
    ),
    # element-wise and data movement
    Kernel("activation_forward", 128, ("y", "x"), (*_COUNT, "activation"), aliases=(("y", "x"),)),
    Kernel("leaky_relu_forward", 129, ("y", "x"), (*_COUNT, *_ALPHA), aliases=(("y", "x"),)),
    Kernel("leaky_relu_backward", 130, ("dx", "dy", "y"), (*_COUNT, *_ALPHA), aliases=(("dx", "dy"),)),
    Kernel("gelu_forward", 131, ("y", "x"), (*_COUNT, "tanh_form")),
    Kernel("gelu_backward", 132, ("dx", "dy", "x"), (*_COUNT, "tanh_form"), aliases=(("dx", "dy"),)),
    Kernel("softmax_forward", 133, ("y", "x"), ("rows", "width"), aliases=(("y", "x"),)),
    Kernel("softmax_backward", 134, ("dx", "dy", "y"), ("rows", "width"), aliases=(("dx", "dy"),)),
    Kernel("add_forward", 135, ("y", "a", "b"), (*_COUNT, "activation"), aliases=(("y", "a"),)),
    Kernel("multiply_forward", 136, ("y", "a", "b"), _COUNT, aliases=(("y", "a"),)),
    Kernel("accumulate", 137, ("y", "x"), _COUNT),  # y += x in place
    Kernel("scale", 138, ("y", "x"), (*_COUNT, "factor_low", "factor_high"), aliases=(("y", "x"),)),
    Kernel("copy", 139, ("y", "x"), _COUNT),
    Kernel("concat", 140, ("y", "a", "b"), ("outer", "width_a", "width_b")),
    Kernel("slice", 141, ("y", "x"), ("outer", "width_x", "first", "width_y")),
    Kernel("slice_backward", 144, ("dx", "dy"), ("outer", "width_x", "first", "width_y")),
    # y[i0, i1, i2, i3] in the order of axes: extent of y's axis k is extent_{axis_k}
    Kernel(
        "transpose",
        142,
        ("y", "x"),
        ("extent_0", "extent_1", "extent_2", "extent_3", "axis_0", "axis_1", "axis_2", "axis_3"),
    ),
    # kept elements are scaled by 1 / (1 - drop); Philox-2x32-10 on (element / 2, stream), keyed by seed and step
    Kernel(
        "dropout",
        143,
        ("y", "x"),
        (*_COUNT, "stream", "drop_low", "drop_high"),
        ("seed", "step"),
        aliases=(("y", "x"),),
    ),
    # optimizers
    Kernel("sgd_update", 192, ("w", "dw"), _COUNT, ("rate", "decay")),
    Kernel("momentum_update", 193, ("w", "v", "dw"), (*_COUNT, "nesterov"), ("rate", "momentum", "decay")),
    # correction1 = 1 - beta1^step, correction2 = 1 - beta2^step; decoupled: AdamW
    Kernel(
        "adam_update",
        194,
        ("w", "m", "v", "dw"),
        (*_COUNT, "decoupled"),
        ("rate", "beta1", "beta2", "epsilon", "decay", "correction1", "correction2"),
    ),
    Kernel("weight_decay", 195, ("w",), _COUNT, ("rate", "decay")),  # w *= 1 - rate * decay, before a fused update
    Kernel("clip_value", 196, ("dw",), _COUNT, ("clip",)),  # in place
    Kernel("square_sum", 197, ("total", "dw"), _COUNT),
    # dw *= min(1, clip / (sqrt(total) + 1e-6)) in place
    Kernel("clip_norm", 198, ("dw", "total"), _COUNT, ("clip",)),
)

# A tile of outputs (groups 1): w and b are its own. Forward fills its part of y; dx is added to, after `first` 0 has cleared it.
_TILED = {"dense": 56 - 16, "conv2d": 88 - 64}
_TILES = tuple(
    Kernel(f"{row.name}_tile", row.opcode + _TILED[family], row.tensors, (*row.dims, *_TILE), row.hyper, row.optional)
    for row in _ROWS
    if (family := row.name.partition("_")[0]) in _TILED
)

KERNELS: dict[str, Kernel] = {row.name: row for row in (*_ROWS, *_TILES)}
assert len({row.opcode for row in KERNELS.values()}) == len(_ROWS) + len(_TILES)


def signature(op: str, dims: tuple[int, ...]) -> str:
    """The key under which a cost is stored: `dense_forward:48,64,48,1`. The first of a layer's tiles differs: it clears dx."""
    if op.endswith("_tile"):
        dims = (*dims[:-2], min(dims[-2], 1), dims[-1])
    return f"{op}:{','.join(map(str, dims))}"


def split_count(count: int) -> tuple[int, int]:
    """The two dimensions (low, high half) of an element count."""
    return count & 0xFFFF, count >> 16


def split_float(value: float) -> tuple[int, int]:
    """The two dimensions (low, high half) of the bits of `value` as f32."""
    return split_count(struct.unpack("<I", struct.pack("<f", value))[0])


def join_float(low: int, high: int) -> float:
    """The f32 whose bits stand in two dimensions."""
    return float(struct.unpack("<f", struct.pack("<I", low | high << 16))[0])


def named_dims(op: str, dims: tuple[int, ...]) -> dict[str, float]:
    """Dimensions by name, with each pair joined to its count or f32 value (`count`, `alpha`, `epsilon`, ...)."""
    named: dict[str, float] = dict(zip(KERNELS[op].dims, dims, strict=True))
    for low in [name for name in named if name.endswith("_low")]:
        word = low[: -len("_low")]
        halves = int(named.pop(low)), int(named.pop(f"{word}_high"))
        named[word] = halves[0] | halves[1] << 16 if word == "count" else join_float(*halves)
    return named
