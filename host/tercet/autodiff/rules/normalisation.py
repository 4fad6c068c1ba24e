# SPDX-License-Identifier: Apache-2.0
"""Rules of batch, layer and group normalisation."""

from __future__ import annotations

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.rules.rule import Rule
from tercet.autodiff.tape import Call, Tape, Value
from tercet.kernel_table import ACTIVATIONS, split_float
from tercet.model.graph import Layer
from tercet.model.operators import product


def _apply(updates: Updates, layer: Layer, gradients: dict[str, str]) -> None:
    for role in ("gamma", "beta"):
        if updates.trains(layer.parameters[role]):
            updates.apply(layer.parameters[role], gradients[f"d{role}"])


def _gradients(tape: Tape, layer: Layer) -> dict[str, str]:
    return {
        f"d{role}": tape.tensor(f"{layer.parameters[role]}.d", tape.tensors[layer.parameters[role]].shape, "gradient")
        for role in ("gamma", "beta")
    }


def _batch_dims(tape: Tape, layer: Layer, x: Value) -> tuple[int, ...]:
    return (tape.batch, x.shape[0], product(x.shape[1:]))


def _batch_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    """Statistics are a node of their own that may be repeated; the running ones are written once a step.

    A layer of which neither gamma nor beta is trained is frozen: it uses the running statistics and leaves them alone.
    """
    x, roles = inputs[0], layer.parameters
    y = Value(tape.batched(layer.name, x.shape), x.shape)
    dims = _batch_dims(tape, layer, x)
    frozen = not tape.training or not {roles["gamma"], roles["beta"]} & tape.trained
    if frozen:
        statistics = {"mean": roles["running_mean"], "variance": roles["running_variance"]}
    else:
        statistics = {name: tape.tensor(f"{layer.name}.{name}", (x.shape[0],)) for name in ("mean", "variance")}
        tape.node("batchnorm_statistics", f"{layer.name}.statistics", dims, outs=statistics, ins={"x": x.tensor})
        phase, tape.phase = tape.phase, "update"
        running = {name: roles[name] for name in ("running_mean", "running_variance")}
        keep = split_float(layer.attrs["keep"])
        tape.node("batchnorm_running", f"{layer.name}.running", (*dims, *keep), mutates=running, ins=statistics)
        tape.phase = phase
    ins = {"x": x.tensor, **statistics, "gamma": roles["gamma"], "beta": roles["beta"]}
    settings = (*split_float(layer.attrs["epsilon"]), ACTIVATIONS[activation])
    tape.node("batchnorm_forward", layer.name, (*dims, *settings), outs={"y": y.tensor}, ins=ins)
    return Call(layer, inputs, y, activation, saved={"statistics": statistics, "frozen": frozen})


def _batch_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    layer, x, statistics = call.layer, call.inputs[0], call.saved["statistics"]
    dims = (*_batch_dims(tape, layer, x), *split_float(layer.attrs["epsilon"]))
    name, gamma = f"{layer.name}.backward", layer.parameters["gamma"]
    dx = tape.batched(f"{layer.name}.dx", x.shape, "gradient")
    if call.saved["frozen"]:
        ins = {"dy": dy, "variance": statistics["variance"], "gamma": gamma}
        tape.node("batchnorm_frozen_backward", name, dims, outs={"dx": dx}, ins=ins)
        return [dx]
    gradients = _gradients(tape, layer)
    ins = {"dy": dy, "x": x.tensor, **statistics, "gamma": gamma}
    tape.node("batchnorm_backward", name, dims, outs={"dx": dx, **gradients}, ins=ins)
    _apply(updates, layer, gradients)
    return [dx if needs[0] else None]


def _group_dims(tape: Tape, layer: Layer, x: Value) -> tuple[int, ...]:
    """Layer norm is group norm of rows [rows, width, 1] in one group."""
    epsilon = split_float(layer.attrs["epsilon"])
    if layer.op == "layer_norm":
        return (tape.batch * product(x.shape[:-1]), x.shape[-1], 1, 1, *epsilon)
    return (tape.batch, x.shape[0], product(x.shape[1:]), layer.attrs["groups"], *epsilon)


def _group_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    x = inputs[0]
    y = Value(tape.batched(layer.name, x.shape), x.shape)
    dims = _group_dims(tape, layer, x)
    statistics = {name: tape.tensor(f"{layer.name}.{name}", (dims[0], dims[3])) for name in ("mean", "variance")}
    ins = {"x": x.tensor, "gamma": layer.parameters["gamma"], "beta": layer.parameters["beta"]}
    tape.node("groupnorm_forward", layer.name, dims, outs={"y": y.tensor, **statistics}, ins=ins)
    return Call(layer, inputs, y, saved={"statistics": statistics})


def _group_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    layer, x = call.layer, call.inputs[0]
    dx, gradients = tape.batched(f"{layer.name}.dx", x.shape, "gradient"), _gradients(tape, layer)
    ins = {"dy": dy, "x": x.tensor, **call.saved["statistics"], "gamma": layer.parameters["gamma"]}
    outs = {"dx": dx, **gradients}
    tape.node("groupnorm_backward", f"{layer.name}.backward", _group_dims(tape, layer, x), outs=outs, ins=ins)
    _apply(updates, layer, gradients)
    return [dx if needs[0] else None]


RULES = {
    "batch_norm": Rule(_batch_forward, _batch_backward, fuses=True),
    "group_norm": Rule(_group_forward, _group_backward),
    "layer_norm": Rule(_group_forward, _group_backward),
}
