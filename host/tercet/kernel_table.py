# SPDX-License-Identifier: Apache-2.0
"""The one table of device operators: opcode, tensor operands and integer dimensions, each in order.

Lowering, the device's generated constants, the C dispatcher and the NumPy reference follow this table. Tensor operands are ordered
outputs, then mutated (weights and state), then inputs. `hyper` names the float settings that the training loop supplies at each step
(learning rate first), so that a schedule of rates needs no new plan.
"""

from __future__ import annotations

from dataclasses import dataclass

ACTIVATIONS = {"none": 0, "relu": 1, "tanh": 2, "sigmoid": 3}


@dataclass(frozen=True)
class Kernel:
    """An operator of the device.

    `tensors` are operand names in order; `dims` integer settings in order (uint16 unless stated); `macs` says how many
    multiply-accumulates one run takes, as an expression over dims (None where it is element-wise).
    """

    name: str
    opcode: int
    tensors: tuple[str, ...]
    dims: tuple[str, ...]
    hyper: tuple[str, ...] = ()


_ROWS = (
    # opcode 0 is reserved. 1..15: data; 16..63: dense and losses; 64..: convolutions; 128..: element-wise; 192..: optimizers
    Kernel("read_input", 1, ("x",), ("batch", "features")),
    Kernel("read_labels", 2, ("labels",), ("batch", "width")),
    Kernel("dense_forward", 16, ("y", "x", "w", "b"), ("batch", "inputs", "outputs", "activation")),
    Kernel("dense_backward_data", 17, ("dx", "dz", "w"), ("batch", "inputs", "outputs")),
    Kernel("dense_backward_weights", 18, ("dw", "db", "dz", "x"), ("batch", "inputs", "outputs")),
    Kernel("dense_update_sgd", 19, ("w", "b", "dz", "x"), ("batch", "inputs", "outputs"), ("rate",)),
    Kernel(
        "dense_update_momentum", 20, ("w", "b", "vw", "vb", "dz", "x"), ("batch", "inputs", "outputs"), ("rate", "momentum")
    ),
    Kernel("activation_backward", 24, ("dz", "y"), ("count_low", "count_high", "activation")),
    Kernel("softmax_cross_entropy", 32, ("dlogits", "metric", "labels"), ("batch", "classes")),
    Kernel("mean_squared_error", 33, ("dy", "metric", "target"), ("batch", "width")),
)

KERNELS: dict[str, Kernel] = {row.name: row for row in _ROWS}
assert len({row.opcode for row in _ROWS}) == len(_ROWS)


def signature(op: str, dims: tuple[int, ...]) -> str:
    """The key under which a cost is stored: `dense_forward:48,64,48,1`."""
    return f"{op}:{','.join(map(str, dims))}"
