# SPDX-License-Identifier: Apache-2.0
"""A network before training: layers in topological order, parameters by name, and the file that holds them."""

from __future__ import annotations

import fnmatch
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercet import artifacts
from tercet.errors import ArtifactError, InputError
from tercet.model import weights as weight_files
from tercet.model.operators import OPERATORS, infer
from tercet.model.weights import Weights

SCHEMA = "tercet-model/1"
INPUT = "input"


@dataclass(frozen=True)
class Parameter:
    """A parameter: name, shape, how it is initialised (`he glorot normal zeros ones`) and whether it is trained."""

    name: str
    shape: tuple[int, ...]
    init: str
    trainable: bool = True

    @property
    def count(self) -> int:
        """The number of its elements."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Layer:
    """A layer: `name` is also the name of the value it produces; `parameters` maps role (`w b gamma ...`) to name."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A network with one input and one output (the last layer's value). Shapes have no batch; images are CHW."""

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    parameters: dict[str, Parameter]
    input_dtype: str = "f32"

    @property
    def output(self) -> str:
        """The name of the value that the network yields."""
        return self.layers[-1].name

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of what the network yields, without the batch."""
        return self.shapes()[self.output]

    @property
    def parameter_count(self) -> int:
        """The number of trainable and frozen parameter elements, without running statistics."""
        return sum(p.count for p in self.parameters.values() if p.init not in STATISTICS)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every value, without the batch; raises InputError where a layer does not fit its input."""
        shapes = {INPUT: self.input_shape}
        for layer in self.layers:
            found = [shapes[name] for name in layer.inputs]
            shapes[layer.name] = infer(layer.op, layer.name, layer.attrs, found)
        return shapes

    def frozen(self, *, last: int | None = None, patterns: tuple[str, ...] = ()) -> Model:
        """The same network of which only the `last` layers with parameters, and none in `patterns`, are trained."""
        owners = [layer for layer in self.layers if layer.parameters]
        keep = owners if last is None else owners[len(owners) - last :] if 0 < last <= len(owners) else None
        if keep is None:
            raise InputError(f"cannot train the last {last} layers: {self.name} has {len(owners)} with parameters")
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in self.parameters):
                raise InputError(f"no parameter of {self.name} matches {pattern!r}", hint=", ".join(self.parameters))
        free = {name for layer in keep for name in layer.parameters.values()}
        free = {name for name in free if not any(fnmatch.fnmatchcase(name, p) for p in patterns)}
        table = {n: replace(p, trainable=p.trainable and n in free) for n, p in self.parameters.items()}
        return replace(self, parameters=table)


# Initialisers of values that training collects rather than learns.
STATISTICS = ("running_mean", "running_variance")


def to_body(model: Model) -> dict[str, Any]:
    """The JSON body of a model."""
    return {
        "name": model.name,
        "input": {"shape": list(model.input_shape), "dtype": model.input_dtype},
        "nodes": [
            {
                "name": layer.name,
                "op": layer.op,
                "inputs": list(layer.inputs),
                "outputs": [layer.name],
                "attrs": layer.attrs,
                "parameters": layer.parameters,
            }
            for layer in model.layers
        ],
        "parameters": [
            {"name": p.name, "shape": list(p.shape), "init": p.init, "trainable": p.trainable} for p in model.parameters.values()
        ],
    }


def from_body(body: dict[str, Any], where: str) -> Model:
    """The model in a JSON body; raises ArtifactError on missing parts, unknown operators or shapes that do not fit."""
    try:
        layers = tuple(
            Layer(n["name"], n["op"], tuple(n["inputs"]), dict(n["attrs"]), dict(n["parameters"])) for n in body["nodes"]
        )
        table = {p["name"]: Parameter(p["name"], tuple(p["shape"]), p["init"], p["trainable"]) for p in body["parameters"]}
        shape, dtype = tuple(body["input"]["shape"]), body["input"]["dtype"]
        model = Model(body["name"], shape, layers, table, dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{where}: not a complete model: {error!r}") from error
    check(model, where)
    return model


def check(model: Model, where: str) -> None:
    """Raises ArtifactError unless operators are known, values exist before use and parameters have their shapes."""
    if not model.layers:
        raise ArtifactError(f"{where}: the model has no layer")
    shapes = {INPUT: model.input_shape}
    for layer in model.layers:
        if layer.op not in OPERATORS:
            raise ArtifactError(f"{where}: layer {layer.name}: unknown operator {layer.op!r}")
        missing = [name for name in layer.inputs if name not in shapes]
        if missing or layer.name in shapes:
            raise ArtifactError(f"{where}: layer {layer.name}: {missing or layer.name} is used before or made twice")
        found = [shapes[name] for name in layer.inputs]
        shapes[layer.name] = infer(layer.op, layer.name, layer.attrs, found)
        for role, (expected, _) in OPERATORS[layer.op].parameters(layer.attrs, found).items():
            name = layer.parameters.get(role, "")
            if name not in model.parameters or model.parameters[name].shape != expected:
                raise ArtifactError(f"{where}: layer {layer.name}: parameter {role} must have shape {list(expected)}")


def check_weights(model: Model, weights: Weights, where: str) -> Weights:
    """`weights` as f32 in the model's order; raises InputError on missing, misshapen or non-finite values."""
    checked = {}
    for name, parameter in model.parameters.items():
        if name not in weights:
            raise InputError(f"{where}: parameter {name} is missing")
        value = np.ascontiguousarray(weights[name], np.float32)
        if value.shape != parameter.shape:
            raise InputError(f"{where}: {name} has shape {list(value.shape)}, not {list(parameter.shape)}")
        if not np.isfinite(value).all():
            bad = int((~np.isfinite(value)).sum())
            raise InputError(f"{where}: {name} holds {bad} values that are no numbers", hint="use --init to start anew")
        checked[name] = value
    return checked


def live(layers: tuple[Layer, ...], output: str) -> tuple[Layer, ...]:
    """The layers on which the value `output` depends, in order."""
    needed, kept = {output}, []
    for layer in reversed(layers):
        if layer.name in needed:
            needed.update(layer.inputs)
            kept.append(layer)
    return tuple(reversed(kept))


def save(model: Model, weights: Weights, path: str | Path) -> Path:
    """Writes `path` (model.json) and weights.npz beside it; returns the path."""
    path = Path(path)
    beside = weights_path(path)
    weight_files.save(check_weights(model, weights, str(path)), beside)
    return artifacts.write_json(path, SCHEMA, to_body(model), {beside.name: artifacts.sha256_file(beside)})


def load(path: str | Path) -> tuple[Model, Weights]:
    """The model and the weights beside it; raises InputError or ArtifactError."""
    path = Path(path)
    body = artifacts.read_json(path, SCHEMA)
    model = from_body(body, str(path))
    beside = weights_path(path)
    expected = body["inputs"].get(beside.name)
    if expected is not None and beside.is_file() and artifacts.sha256_file(beside) != expected:
        raise ArtifactError(f"{beside}: its content is not what {path.name} was written with")
    return model, check_weights(model, weight_files.load(beside), str(beside))


def initialise(model: Model, seed: int = 0) -> Weights:
    """Fresh weights: the same for the same seed, each parameter's independent of the others' presence."""
    return {
        name: weight_files.initial(p.shape, p.init, np.random.default_rng([seed, zlib.crc32(name.encode())]))
        for name, p in model.parameters.items()
    }


def weights_path(path: Path) -> Path:
    """Where the weights of a model file stand: `model.json` -> `weights.npz`, `NAME.json` -> `NAME.weights.npz`."""
    return path.with_name("weights.npz" if path.name == "model.json" else f"{path.stem}.weights.npz")
