# SPDX-License-Identifier: Apache-2.0
"""Rules of embedding, positions and multi-head attention (Vaswani et al., 2017)."""

from __future__ import annotations

from tercet.autodiff.optimizers import Updates
from tercet.autodiff.rules.rule import Rule
from tercet.autodiff.tape import Call, Tape, Value
from tercet.model.graph import Layer
from tercet.model.operators import product


def _embedding_dims(tape: Tape, layer: Layer, ids: Value) -> tuple[int, ...]:
    return (tape.batch * product(ids.shape), layer.attrs["vocabulary"], layer.attrs["width"])


def _embedding_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    shape = (*inputs[0].shape, layer.attrs["width"])
    y = Value(tape.batched(layer.name, shape), shape)
    ins = {"ids": inputs[0].tensor, "w": layer.parameters["w"]}
    dims = _embedding_dims(tape, layer, inputs[0])
    tape.node("embedding_forward", layer.name, dims, outs={"y": y.tensor}, ins=ins)
    return Call(layer, inputs, y)


def _embedding_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    layer, w = call.layer, call.layer.parameters["w"]
    dims, ins = _embedding_dims(tape, layer, call.inputs[0]), {"dy": dy, "ids": call.inputs[0].tensor}
    if updates.fused(w, kinds=("sgd",)):
        phase, tape.phase = tape.phase, "update"
        tape.node("embedding_update_sgd", f"{layer.name}.update", dims, mutates={"w": w}, ins=ins)
        tape.phase = phase
    elif updates.trains(w):
        dw = tape.tensor(f"{w}.d", tape.tensors[w].shape, "gradient")
        tape.node("embedding_backward_weights", f"{layer.name}.backward_weights", dims, outs={"dw": dw}, ins=ins)
        updates.apply(w, dw)
    return [None]


def _position_dims(tape: Tape, x: Value) -> tuple[int, ...]:
    return (tape.batch, product(x.shape[:-1]), x.shape[-1])


def _position_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    x = inputs[0]
    y = Value(tape.batched(layer.name, x.shape), x.shape)
    ins = {"x": x.tensor, "w": layer.parameters["w"]}
    tape.node("position_forward", layer.name, _position_dims(tape, x), outs={"y": y.tensor}, ins=ins)
    return Call(layer, inputs, y)


def _position_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    layer, w = call.layer, call.layer.parameters["w"]
    if updates.trains(w):
        dw = tape.tensor(f"{w}.d", tape.tensors[w].shape, "gradient")
        dims, name = _position_dims(tape, call.inputs[0]), f"{layer.name}.backward_weights"
        tape.node("position_backward_weights", name, dims, outs={"dw": dw}, ins={"dy": dy})
        updates.apply(w, dw)
    return [dy if needs[0] else None]


def _head_dims(tape: Tape, layer: Layer, value: Value) -> tuple[int, ...]:
    tokens, width = value.shape
    return (tape.batch, tokens, layer.attrs["heads"], width // layer.attrs["heads"])


def _scores_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    q, k = inputs
    dims = _head_dims(tape, layer, q)
    p = Value(tape.batched(layer.name, (dims[2], dims[1], dims[1])), (dims[2], dims[1], dims[1]))
    ins = {"q": q.tensor, "k": k.tensor}
    causal = int(layer.attrs.get("causal", False))
    tape.node("attention_scores", layer.name, (*dims, causal), outs={"p": p.tensor}, ins=ins)
    return Call(layer, inputs, p)


def _scores_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    layer, (q, k), p = call.layer, call.inputs, call.output
    ds = tape.batched(f"{layer.name}.ds", p.shape, "gradient")
    rows = (tape.batch * product(p.shape[:-1]), p.shape[-1])
    ins = {"dy": dy, "y": p.tensor}
    tape.node("softmax_backward", f"{layer.name}.backward_softmax", rows, outs={"dx": ds}, ins=ins)
    found: list[str | None] = []
    dims = _head_dims(tape, layer, q)
    for need, short, word, other in ((needs[0], "q", "query", k), (needs[1], "k", "key", q)):
        found.append(tape.batched(f"{layer.name}.d{short}", q.shape, "gradient") if need else None)
        if need:
            ins = {"ds": ds, "k" if short == "q" else "q": other.tensor}
            op, outs = f"attention_scores_backward_{word}", {f"d{short}": str(found[-1])}
            tape.node(op, f"{layer.name}.backward_{word}", dims, outs=outs, ins=ins)
    return found


def _mix_forward(tape: Tape, layer: Layer, inputs: list[Value], activation: str) -> Call:
    p, v = inputs
    y = Value(tape.batched(layer.name, v.shape), v.shape)
    ins = {"p": p.tensor, "v": v.tensor}
    tape.node("attention_mix", layer.name, _head_dims(tape, layer, v), outs={"y": y.tensor}, ins=ins)
    return Call(layer, inputs, y)


def _mix_backward(tape: Tape, updates: Updates, call: Call, dy: str, needs: list[bool]) -> list[str | None]:
    layer, (p, v) = call.layer, call.inputs
    dims = _head_dims(tape, layer, v)
    dv = tape.batched(f"{layer.name}.dv", v.shape, "gradient") if needs[1] else None
    dp = tape.batched(f"{layer.name}.dp", p.shape, "gradient") if needs[0] else None
    if dv:
        ins, name = {"dy": dy, "p": p.tensor}, f"{layer.name}.backward_value"
        tape.node("attention_mix_backward_value", name, dims, outs={"dv": dv}, ins=ins)
    if dp:
        ins, name = {"dy": dy, "v": v.tensor}, f"{layer.name}.backward_scores"
        tape.node("attention_mix_backward_scores", name, dims, outs={"dp": dp}, ins=ins)
    return [dp, dv]


RULES = {
    "embedding": Rule(_embedding_forward, _embedding_backward),
    "position": Rule(_position_forward, _position_backward),
    "attention_scores": Rule(_scores_forward, _scores_backward),
    "attention_mix": Rule(_mix_forward, _mix_backward),
}
