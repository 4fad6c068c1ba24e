# SPDX-License-Identifier: Apache-2.0
"""The description of a network inside a compressed file: short JSON that leaves out what follows from the rest."""

from __future__ import annotations

import json
from typing import Any

from tercet.compress.packed.execution import Execution, from_head
from tercet.errors import ArtifactError, InputError
from tercet.model.graph import INPUT, Layer, Model, Parameter, check
from tercet.model.operators import OPERATORS


def write_head(model: Model, execution: Execution | None = None) -> bytes:
    """`{"n": name, "i": input shape, "l": [[op, attrs, {exceptions}], ...]}`.

    Exceptions: `n` a name other than op + running number, `i` inputs other than the layer before, `p` parameters
    not called `layer.role`. `f` lists parameters that are not trained, `t` the input's type, `s` initialisers that
    are not the usual ones, `q` the execution settings.
    """
    body: dict[str, Any] = {"n": model.name, "i": list(model.input_shape)}
    if model.input_dtype != "f32":
        body["t"] = model.input_dtype
    before, rows, seen = INPUT, [], dict[str, int]()
    for layer in model.layers:
        seen[layer.op] = seen.get(layer.op, 0) + 1
        odd: dict[str, Any] = {}
        if layer.name != f"{layer.op}{seen[layer.op]}":
            odd["n"] = layer.name
        if layer.inputs != (before,):
            odd["i"] = list(layer.inputs)
        if layer.parameters != {role: f"{layer.name}.{role}" for role in layer.parameters}:
            odd["p"] = layer.parameters
        attrs = {key: int(value) if isinstance(value, bool) else value for key, value in layer.attrs.items()}
        rows.append([layer.op, attrs, odd] if odd else [layer.op, attrs] if attrs else [layer.op])
        before = layer.name
    body["l"] = rows
    usual = _parameters(model)
    frozen = [name for name, p in model.parameters.items() if p.trainable != usual[name].trainable]
    inits = {name: p.init for name, p in model.parameters.items() if p.init != usual[name].init}
    body |= ({"f": frozen} if frozen else {}) | ({"s": inits} if inits else {})
    if execution is not None:
        body["q"] = execution.to_head(model)
    return json.dumps(body, separators=(",", ":")).encode()


def read_head(data: bytes) -> tuple[Model, Execution | None]:
    """The network described and how to execute it, if that is said; raises ArtifactError."""
    try:
        body = json.loads(data)
        before, layers, seen = INPUT, [], dict[str, int]()
        for row in body["l"]:
            op, attrs, odd = (*row, {}, {})[:3] if len(row) > 1 else (row[0], {}, {})
            attrs = {key: bool(value) if key in ("bias", "count_padding", "causal") else value for key, value in attrs.items()}
            seen[op] = seen.get(op, 0) + 1
            name = odd.get("n", f"{op}{seen[op]}")
            layers.append(Layer(name, op, tuple(odd.get("i", [before])), attrs, dict(odd.get("p", {}))))
            before = name
        bare = Model(body["n"], tuple(body["i"]), tuple(layers), {}, body.get("t", "f32"))
        model = _named(bare)
        table = _parameters(model)
        for name in body.get("f", []):
            table[name] = Parameter(name, table[name].shape, table[name].init, not table[name].trainable)
        for name, init in body.get("s", {}).items():
            table[name] = Parameter(name, table[name].shape, init, table[name].trainable)
        model = Model(model.name, model.input_shape, model.layers, table, model.input_dtype)
    except (KeyError, TypeError, ValueError, IndexError, InputError) as error:
        raise ArtifactError(f"the description of the network is damaged: {error}") from error
    check(model, "compressed file")
    return model, from_head(body["q"], model) if "q" in body else None


def parameter_order(model: Model) -> list[str]:
    """The names of the parameters in the order in which a compressed file holds them: layer by layer."""
    return list(_parameters(model))


def _roles(model: Model) -> dict[str, dict[str, tuple[tuple[int, ...], str]]]:
    shapes = model.shapes()
    return {
        layer.name: OPERATORS[layer.op].parameters(layer.attrs, [shapes[name] for name in layer.inputs]) for layer in model.layers
    }


def _named(model: Model) -> Model:
    """The model with the usual parameter names where none are given."""
    roles = _roles(model)
    layers = tuple(
        Layer(
            layer.name,
            layer.op,
            layer.inputs,
            layer.attrs,
            layer.parameters or {role: f"{layer.name}.{role}" for role in roles[layer.name]},
        )
        for layer in model.layers
    )
    return Model(model.name, model.input_shape, layers, {}, model.input_dtype)


def _parameters(model: Model) -> dict[str, Parameter]:
    """The parameters as the builder would make them, in the order of the layers."""
    roles, table = _roles(model), dict[str, Parameter]()
    for layer in model.layers:
        for role, (shape, init) in roles[layer.name].items():
            name = layer.parameters[role]
            table[name] = Parameter(name, tuple(shape), init, not role.startswith("running_"))
    return table
