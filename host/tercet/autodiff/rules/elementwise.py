# SPDX-License-Identifier: Apache-2.0
"""Rules of element-wise operators, softmax, dropout and the movement of data."""

from __future__ import annotations

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.rules.rule import Rule
from tercet.autodiff.tape import Call, Tape, Value
from tercet.kernel_table import ACTIVATIONS, split_count, split_float
from tercet.model.graph import Layer
from tercet.model.operators import FUSIBLE, OPERATORS, collapse, product


def _output(tape: Tape, layer: Layer, inputs: list[Value]) -> Value:
    shape = OPERATORS[layer.op].shape(layer.name, layer.attrs, [value.shape for value in inputs])
    return Value(tape.batched(layer.name, shape), shape)


def _gradient(tape: Tape, call: Call, number: int = 0) -> str:
    return tape.batched(f"{call.layer.name}.dx", call.inputs[number].shape, "gradient")


def _activation_op(layer: Layer) -> tuple[str, tuple[int, ...]]:
    kind = layer.attrs["kind"]
    if kind in FUSIBLE:
        return "activation", (ACTIVATIONS[kind],)
    if kind == "leaky_relu":
        return "leaky_relu", split_float(layer.attrs["alpha"])
    return "gelu", (int(kind == "gelu_tanh"),)


def _activation_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y = _output(tape, layer, inputs)
    op, settings = _activation_op(layer)
    dims = (*split_count(tape.count(y)), *settings)
    tape.node(f"{op}_forward", layer.name, dims, outs={"y": y.tensor}, ins={"x": inputs[0].tensor})
    return Call(layer, inputs, y)


def _activation_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    op, settings = _activation_op(call.layer)
    if op == "activation":
        return [tape.activation_backward(call.layer.name, dy, call.output, call.layer.attrs["kind"])]
    dx = _gradient(tape, call)
    known = {"x": call.inputs[0].tensor} if op == "gelu" else {"y": call.output.tensor}
    dims = (*split_count(tape.count(call.output)), *settings)
    tape.node(f"{op}_backward", f"{call.layer.name}.backward", dims, outs={"dx": dx}, ins={"dy": dy, **known})
    return [dx]


def _rows(tape: Tape, value: Value) -> tuple[int, int]:
    return tape.batch * product(value.shape[:-1]), value.shape[-1]


def _softmax_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y = _output(tape, layer, inputs)
    tape.node("softmax_forward", layer.name, _rows(tape, y), outs={"y": y.tensor}, ins={"x": inputs[0].tensor})
    return Call(layer, inputs, y)


def _softmax_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    dx, y = _gradient(tape, call), call.output
    ins = {"dy": dy, "y": y.tensor}
    tape.node("softmax_backward", f"{call.layer.name}.backward", _rows(tape, y), outs={"dx": dx}, ins=ins)
    return [dx]


def _add_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """Three values and more are added one after another; the activation belongs to the last addition."""
    total, shape = inputs[0].tensor, inputs[0].shape
    for number, other in enumerate(inputs[1:], 2):
        final = number == len(inputs)
        y = tape.batched(layer.name if final else f"{layer.name}.{number}", shape)
        dims = (*split_count(tape.count(inputs[0])), ACTIVATIONS[activation] if final else 0)
        tape.node("add_forward", layer.name, dims, outs={"y": y}, ins={"a": total, "b": other.tensor})
        total = y
    return Call(layer, inputs, Value(total, shape), activation)


def _add_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    """The gradient goes to every input as it is: one tensor with several readers."""
    return [dy if need else None for need in needs]


def _scale_node(tape: Tape, layer: Layer, name: str, source: str, target: str) -> None:
    dims = (*split_count(tape.tensors[target].count), *split_float(layer.attrs["factor"]))
    tape.node("scale", name, dims, outs={"y": target}, ins={"x": source})


def _scale_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y = _output(tape, layer, inputs)
    _scale_node(tape, layer, layer.name, inputs[0].tensor, y.tensor)
    return Call(layer, inputs, y)


def _scale_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    dx = _gradient(tape, call)
    _scale_node(tape, call.layer, f"{call.layer.name}.backward", dy, dx)
    return [dx]


def _multiply_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y = _output(tape, layer, inputs)
    ins = {"a": inputs[0].tensor, "b": inputs[1].tensor}
    tape.node("multiply_forward", layer.name, split_count(tape.count(y)), outs={"y": y.tensor}, ins=ins)
    return Call(layer, inputs, y)


def _multiply_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    found: list[str | None] = [None, None]
    for number, other in ((0, 1), (1, 0)):
        if needs[number]:
            found[number] = dx = _gradient(tape, call, number)
            ins = {"a": dy, "b": call.inputs[other].tensor}
            dims = split_count(tape.count(call.output))
            tape.node("multiply_forward", f"{call.layer.name}.backward", dims, outs={"y": dx}, ins=ins)
    return found


def _widths(tape: Tape, call_inputs: list[Value], axis: int) -> tuple[int, list[int]]:
    outer = tape.batch * product(call_inputs[0].shape[:axis])
    return outer, [product(value.shape[axis:]) for value in call_inputs]


def _concat_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """Values are joined two at a time."""
    axis, joined = layer.attrs["axis"], inputs[0]
    for number, other in enumerate(inputs[1:], 2):
        shape = OPERATORS["concat"].shape(layer.name, layer.attrs, [joined.shape, other.shape])
        y = Value(tape.batched(layer.name if number == len(inputs) else f"{layer.name}.{number}", shape), shape)
        outer, widths = _widths(tape, [joined, other], axis)
        ins = {"a": joined.tensor, "b": other.tensor}
        tape.node("concat", layer.name, (outer, *widths), outs={"y": y.tensor}, ins=ins)
        joined = y
    return Call(layer, inputs, joined)


def _concat_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    outer, widths = _widths(tape, call.inputs, call.layer.attrs["axis"])
    found: list[str | None] = []
    for number, need in enumerate(needs):
        found.append(_gradient(tape, call, number) if need else None)
        if need:
            dims = (outer, sum(widths), sum(widths[:number]), widths[number])
            outs = {"y": str(found[-1])}
            tape.node("slice", f"{call.layer.name}.backward", dims, outs=outs, ins={"x": dy})
    return found


def _slice_dims(tape: Tape, layer: Layer, x: Value) -> tuple[int, ...]:
    axis, inner = layer.attrs["axis"], product(x.shape[layer.attrs["axis"] + 1 :])
    widths = (x.shape[axis] * inner, layer.attrs["first"] * inner, layer.attrs["width"] * inner)
    return (tape.batch * product(x.shape[:axis]), *widths)


def _slice_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y, x = _output(tape, layer, inputs), inputs[0]
    dims = _slice_dims(tape, layer, x)
    tape.node("slice", layer.name, dims, outs={"y": y.tensor}, ins={"x": x.tensor})
    return Call(layer, inputs, y)


def _slice_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    dx = _gradient(tape, call)
    dims = _slice_dims(tape, call.layer, call.inputs[0])
    tape.node("slice_backward", f"{call.layer.name}.backward", dims, outs={"dx": dx}, ins={"dy": dy})
    return [dx]


def _alias_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """Another shape of the same buffer: no node."""
    shape = OPERATORS[layer.op].shape(layer.name, layer.attrs, [inputs[0].shape])
    return Call(layer, inputs, Value(inputs[0].tensor, shape))


def _transpose_node(tape: Tape, name: str, source: Value, target: str, axes: list[int]) -> None:
    shape, order = collapse(source.shape, axes)
    extents = [tape.batch, *shape] + [1] * (3 - len(shape))
    moved = [0, *(axis + 1 for axis in order), *range(len(order) + 1, 4)]
    tape.node("transpose", name, (*extents, *moved), outs={"y": target}, ins={"x": source.tensor})


def _transpose_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    y = _output(tape, layer, inputs)
    _transpose_node(tape, layer.name, inputs[0], y.tensor, layer.attrs["axes"])
    return Call(layer, inputs, y)


def _transpose_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    dx, axes = _gradient(tape, call), call.layer.attrs["axes"]
    inverse = [list(axes).index(axis) for axis in range(len(axes))]
    _transpose_node(tape, f"{call.layer.name}.backward", Value(dy, call.output.shape), dx, inverse)
    return [dx]


def _dropout_node(tape: Tape, layer: Layer, name: str, source: str, target: str) -> None:
    stream = layer.attrs["stream"] * 256 + (tape.part or 0)
    dims = (*split_count(tape.tensors[target].count), stream, *split_float(layer.attrs["drop"]))
    tape.node("dropout", name, dims, outs={"y": target}, ins={"x": source})


def _dropout_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    if not tape.training:
        return Call(layer, inputs, inputs[0])
    y = _output(tape, layer, inputs)
    _dropout_node(tape, layer, layer.name, inputs[0].tensor, y.tensor)
    return Call(layer, inputs, y)


def _dropout_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    """The same operator on the gradient: the mask follows from counters and is never stored."""
    dx = _gradient(tape, call)
    _dropout_node(tape, call.layer, f"{call.layer.name}.backward", dy, dx)
    return [dx]


_ALIAS = Rule(_alias_forward, lambda tape, updates, call, dy, needs: [dy])
RULES = {
    "activation": Rule(_activation_forward, _activation_backward),
    "softmax": Rule(_softmax_forward, _softmax_backward),
    "add": Rule(_add_forward, _add_backward, fuses=True),
    "scale": Rule(_scale_forward, _scale_backward),
    "multiply": Rule(_multiply_forward, _multiply_backward),
    "concat": Rule(_concat_forward, _concat_backward),
    "slice": Rule(_slice_forward, _slice_backward),
    "reshape": _ALIAS,
    "flatten": _ALIAS,
    "transpose": Rule(_transpose_forward, _transpose_backward),
    "dropout": Rule(_dropout_forward, _dropout_backward),
}
