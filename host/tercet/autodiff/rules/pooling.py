# SPDX-License-Identifier: Apache-2.0
"""Rules of pooling."""

from __future__ import annotations

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.rules.linear import plane_dims
from tercet.autodiff.rules.rule import Rule
from tercet.autodiff.tape import Call, Tape, Value
from tercet.model.graph import Layer
from tercet.model.operators import OPERATORS, product


def _output(tape: Tape, layer: Layer, inputs: list[Value]) -> Value:
    shape = OPERATORS[layer.op].shape(layer.name, layer.attrs, [value.shape for value in inputs])
    return Value(tape.batched(layer.name, shape), shape)


def _max_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """Keeps where in each window the maximum stood, unless the input is kept or no backward pass follows."""
    y = _output(tape, layer, inputs)
    dims = plane_dims(tape.batch, layer, inputs[0].shape)
    kernel = tuple(layer.attrs["kernel"])
    # in its own buffer a backward pass can run only where windows do not overlap
    disjoint = all(step >= size for step, size in zip(layer.attrs["stride"], kernel, strict=True))
    saved = {}
    if not tape.training or (tape.pool_keeps == "input" and disjoint):
        tape.node("maxpool2d_forward_only", layer.name, dims, outs={"y": y.tensor}, ins={"x": inputs[0].tensor})
    else:
        dtype = "u8" if product(kernel) <= 256 else "u16"
        saved["argmax"] = tape.tensor(f"{layer.name}.argmax", (tape.batch, *y.shape), dtype=dtype)
        outs = {"y": y.tensor, "argmax": saved["argmax"]}
        tape.node("maxpool2d_forward", layer.name, dims, outs=outs, ins={"x": inputs[0].tensor})
    return Call(layer, inputs, y, saved=saved)


def _max_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    """A fused activation before the pool is differentiated on the pooled values: its output need not be kept.

    Activations rise monotonically, so pooling their outputs keeps the derivative that each maximum needs.
    """
    producer, x = call.producers[0], call.inputs[0]
    if producer and producer.single_reader and producer.activation != "none":
        dy = tape.activation_backward(producer.layer.name, dy, call.output, producer.activation)
        producer.activation_done = True
    dx = tape.batched(f"{call.layer.name}.dx", x.shape, "gradient")
    dims, name = plane_dims(tape.batch, call.layer, x.shape), f"{call.layer.name}.backward"
    if "argmax" in call.saved:
        ins = {"dy": dy, "argmax": call.saved["argmax"]}
        tape.node("maxpool2d_backward", name, dims, outs={"dx": dx}, ins=ins)
    else:
        takes = (("dx", x.tensor),)
        tape.node("maxpool2d_backward_inplace", name, dims, outs={"dx": dx}, ins={"dy": dy}, takes=takes)
    return [dx]


def _average_dims(tape: Tape, layer: Layer, x: Value) -> tuple[int, ...]:
    if layer.op == "global_average_pool":
        return (tape.batch, x.shape[0], product(x.shape[1:]))
    return (*plane_dims(tape.batch, layer, x.shape), int(layer.attrs["count_padding"]))


_AVERAGE = {"global_average_pool": "global_average", "average_pool": "avgpool2d"}


def _average_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y = _output(tape, layer, inputs)
    dims = _average_dims(tape, layer, inputs[0])
    op = f"{_AVERAGE[layer.op]}_forward"
    tape.node(op, layer.name, dims, outs={"y": y.tensor}, ins={"x": inputs[0].tensor})
    return Call(layer, inputs, y)


def _average_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    x = call.inputs[0]
    dx = tape.batched(f"{call.layer.name}.dx", x.shape, "gradient")
    dims = _average_dims(tape, call.layer, x)
    op = f"{_AVERAGE[call.layer.op]}_backward"
    tape.node(op, f"{call.layer.name}.backward", dims, outs={"dx": dx}, ins={"dy": dy})
    return [dx]


RULES = {
    "max_pool": Rule(_max_forward, _max_backward),
    "average_pool": Rule(_average_forward, _average_backward),
    "global_average_pool": Rule(_average_forward, _average_backward),
}
