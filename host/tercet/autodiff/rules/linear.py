# SPDX-License-Identifier: Apache-2.0
"""Rules of the operators that multiply weights with their input: dense, convolution, depthwise convolution."""

from __future__ import annotations

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.rules.rule import Rule
from tercet.autodiff.tape import Call, Tape, Value
from tercet.kernel_table import ACTIVATIONS
from tercet.model.graph import Layer
from tercet.model.operators import OPERATORS, Shape, as_image, product, window_shape


def family(layer: Layer, shapes: list[Shape]) -> str:
    """The family of kernels of a layer: `dense`, `conv2d` or `depthwise` (one filter for each channel)."""
    if layer.op == "dense":
        return "dense"
    channels = shapes[0][0]
    return "depthwise" if layer.attrs["groups"] == channels == layer.attrs["channels"] > 1 else "conv2d"


def plane_dims(batch: int, layer: Layer, shape: Shape) -> tuple[int, ...]:
    """The dimensions of depthwise convolution and of pooling."""
    out = window_shape(layer.name, layer.attrs, shape)
    return (batch, *as_image(shape), *out, *layer.attrs["kernel"], *layer.attrs["stride"], *layer.attrs["pad"][:2])


def linear_dims(batch: int, layer: Layer, shape: Shape) -> tuple[int, ...]:
    """The dimensions of a layer with weights, without the activation."""
    kind = family(layer, [shape])
    if kind == "dense":
        return (batch * product(shape[:-1]), shape[-1], layer.attrs["units"])
    plane = plane_dims(batch, layer, shape)
    if kind == "depthwise":
        return plane
    return (*plane[:4], layer.attrs["channels"], *plane[4:], layer.attrs["groups"])


def forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """y = activation(w x + b)."""
    shapes = [value.shape for value in inputs]
    y = Value(tape.batched(layer.name, shape := OPERATORS[layer.op].shape(layer.name, layer.attrs, shapes)), shape)
    dims = (*linear_dims(tape.batch, layer, shapes[0]), ACTIVATIONS[activation])
    op = f"{family(layer, shapes)}_forward"
    tape.node(op, layer.name, dims, outs={"y": y.tensor}, ins={"x": inputs[0].tensor, **layer.parameters})
    return Call(layer, inputs, y, activation)


def backward(tape: Tape, updates: Updates, call: Call, dz: str, needs: list[bool]) -> list[str | None]:
    """dx from the weights, then the weights' own gradient, fused with the update where it can be."""
    layer, x = call.layer, call.inputs[0]
    dims, kind = linear_dims(tape.batch, layer, x.shape), family(layer, [x.shape])
    dx = None
    if needs[0]:
        dx = tape.batched(f"{layer.name}.dx", x.shape, "gradient")
        tape.node(
            f"{kind}_backward_data", f"{layer.name}.backward_data", dims, outs={"dx": dx},
            ins={"dz": dz, "w": layer.parameters["w"]},
        )  # fmt: skip
    trained = {role: name for role, name in layer.parameters.items() if updates.trains(name)}
    if not trained:
        return [dx]
    fused = updates.fused(*trained.values()) if "w" in trained and len(trained) == len(layer.parameters) else None
    ins = {"dz": dz, "x": x.tensor}
    if fused:
        mutates = dict(trained)
        if fused == "momentum":
            mutates |= {f"v{role}": updates.state(name, "v") for role, name in trained.items()}
        phase, tape.phase = tape.phase, "update"
        tape.node(f"{kind}_update_{fused}", f"{layer.name}.update", dims, mutates=mutates, ins=ins)
        tape.phase = phase
        return [dx]
    outs = {
        f"d{role}": tape.tensor(f"{name}.d", tape.tensors[name].shape, "gradient")
        for role, name in layer.parameters.items()
        if role == "w" or role in trained
    }
    tape.node(f"{kind}_backward_weights", f"{layer.name}.backward_weights", dims, outs=outs, ins=ins)
    for role, name in trained.items():
        updates.apply(name, outs[f"d{role}"])
    return [dx]


RULES = {"dense": Rule(forward, backward, fuses=True), "conv2d": Rule(forward, backward, fuses=True)}
