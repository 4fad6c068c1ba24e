# SPDX-License-Identifier: Apache-2.0
"""Rules of the operators that multiply weights with their input: dense, convolution, depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.rules.rule import Rule
from tercet.autodiff.tape import Call, Tape, Value
from tercet.kernel_table import ACTIVATIONS
from tercet.model.graph import Layer
from tercet.model.operators import OPERATORS, Shape, as_image, product, window_shape

# where the number of outputs stands among the dimensions of a family that can be divided into tiles
_OUTPUTS_AT = {"dense": 2, "conv2d": 4}


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


@dataclass(frozen=True)
class _Part:
    """A layer, or a tile of one, as its kernels see it: `label` begins the names of nodes, `suffix` ends those of kernels."""

    label: str
    suffix: str
    parameters: dict[str, str]
    dims: tuple[int, ...]
    after: tuple[int, ...] = ()


def _parts(tape: Tape, layer: Layer, shape: Shape) -> list[_Part]:
    """The tiles of a layer in ascending order, or the layer itself."""
    dims = linear_dims(tape.batch, layer, shape)
    if layer.name not in tape.tiles:
        return [_Part(layer.name, "", layer.parameters, dims)]
    at = _OUTPUTS_AT[family(layer, [shape])]
    return [
        _Part(
            f"{layer.name}:{tile.first}", "_tile", tile.parameters, (*dims[:at], tile.count, *dims[at + 1 :]),
            (tile.first, dims[at]),
        )
        for tile in tape.tiles[layer.name]
    ]  # fmt: skip


def forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """y = activation(w x + b); tile after tile fills its part of y."""
    shapes = [value.shape for value in inputs]
    y = Value(tape.batched(layer.name, shape := OPERATORS[layer.op].shape(layer.name, layer.attrs, shapes)), shape)
    parts = _parts(tape, layer, shapes[0])
    filled = ""
    for part in parts:
        dims = (*part.dims, ACTIVATIONS[activation], *part.after)
        out = y.tensor if part is parts[-1] else tape.batched(part.label, shape)
        tape.node(
            f"{family(layer, shapes)}_forward{part.suffix}", part.label, dims, outs={"y": out},
            ins={"x": inputs[0].tensor, **part.parameters}, takes=(("y", filled),) if filled else (),
        )  # fmt: skip
        filled = out
    return Call(layer, inputs, y, activation)


def backward(tape: Tape, updates: Updates, call: Call, dz: str, needs: list[bool]) -> list[str | None]:
    """For each tile, or the layer: dx from the weights, then the weights' gradient, fused with the update where it can be."""
    x, dx = call.inputs[0], None
    for part in _parts(tape, call.layer, x.shape):
        if needs[0]:
            dx = _add_data(tape, call, part, dz, dx)
        _weights(tape, updates, call, part, dz)
    return [dx]


def _add_data(tape: Tape, call: Call, part: _Part, dz: str, before: str | None) -> str:
    """The gradient of the input, in the buffer of what the tiles `before` gave."""
    kind = family(call.layer, [call.inputs[0].shape])
    dx = tape.batched(f"{part.label}.dx", call.inputs[0].shape, "gradient")
    tape.node(
        f"{kind}_backward_data{part.suffix}", f"{part.label}.backward_data", (*part.dims, *part.after), outs={"dx": dx},
        ins={"dz": dz, "w": part.parameters["w"]}, takes=(("dx", before),) if before else (),
    )  # fmt: skip
    return dx


def _weights(tape: Tape, updates: Updates, call: Call, part: _Part, dz: str) -> None:
    """The weights' gradient and its update."""
    kind, dims = family(call.layer, [call.inputs[0].shape]), (*part.dims, *part.after)
    trained = {role: name for role, name in part.parameters.items() if updates.trains(name)}
    if not trained:
        return
    fused = updates.fused(*trained.values()) if "w" in trained and len(trained) == len(part.parameters) else None
    ins = {"dz": dz, "x": call.inputs[0].tensor}
    if fused:
        mutates = dict(trained)
        if fused == "momentum":
            mutates |= {f"v{role}": updates.state(name, "v") for role, name in trained.items()}
        phase, tape.phase = tape.phase, "update"
        tape.node(f"{kind}_update_{fused}{part.suffix}", f"{part.label}.update", dims, mutates=mutates, ins=ins)
        tape.phase = phase
        return
    outs = {
        f"d{role}": tape.tensor(f"{name}.d", tape.tensors[name].shape, "gradient")
        for role, name in part.parameters.items()
        if role == "w" or role in trained
    }
    tape.node(f"{kind}_backward_weights{part.suffix}", f"{part.label}.backward_weights", dims, outs=outs, ins=ins)
    for role, name in trained.items():
        updates.apply(name, outs[f"d{role}"])


RULES = {"dense": Rule(forward, backward, fuses=True), "conv2d": Rule(forward, backward, fuses=True)}
