# SPDX-License-Identifier: Apache-2.0
"""From an ONNX file to a model with weights."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.model.builder import Builder
from tercet.model.exchange.folding import fold
from tercet.model.exchange.gelu import join_gelu
from tercet.model.exchange.reader import Source, modules, read
from tercet.model.graph import Model, Weights, check, check_weights, initialise, live
from tercet.model.operators import Shape


@dataclass(frozen=True)
class Origin:
    """Where a parameter stands in the ONNX file: the tensor's name, whether it is transposed there, its shape there.

    `reader` (output name of a node, number of its input) is given where exporters have merged equal tensors of different
    parameters into one: a tensor of one repeated number, such as a bias of zeros, belongs to each of its readers alone.
    """

    tensor: str
    transposed: bool
    shape: tuple[int, ...]
    reader: tuple[str, int] | None = None


@dataclass(frozen=True)
class Imported:
    """A model from an ONNX file, its weights, and where each parameter came from."""

    model: Model
    weights: Weights
    origins: dict[str, Origin]


@dataclass(frozen=True)
class Scores:
    """Scores of attention that are not a layer yet: query, key, heads, and what was done to them so far."""

    q: str
    k: str
    heads: int
    factor: float
    causal: bool = False


@dataclass
class Importer:
    """The conversion in progress: ONNX value names -> names of the builder's values."""

    source: Source
    net: Builder
    constants: dict[str, np.ndarray]
    readers: Counter[str]
    values: dict[str, str] = field(default_factory=dict)
    # values that stand for another one with zeros around it: name -> (top, left, bottom, right)
    pads: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    # values whose first axis is written as part of the batch: name -> the value with that axis of its own
    merged: dict[str, str] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """The builder's value behind an ONNX name."""
        if name in self.pads:
            raise InputError("a Pad is supported only right before a convolution")
        if name in self.scores:
            raise InputError("scores of attention are supported right before their softmax only")
        if name in self.merged:
            raise InputError("the batch must stay the first axis")
        if name not in self.values:
            raise InputError(f"its input {name} is a constant where a computed value is needed")
        return self.values[name]

    def shape(self, name: str) -> Shape:
        """The shape, without the batch, of a value."""
        return self.net.shapes[self.value(name)]

    def constant(self, name: str, what: str) -> np.ndarray:
        """A constant; raises InputError where it is computed from the data."""
        if name not in self.constants:
            raise InputError(f"its {what} must be constant, {name} is computed")
        return self.constants[name]

    def append(
        self, node: Any, op: str, inputs: tuple[str, ...], parameters: dict[str, Origin] | None = None, **attrs: Any
    ) -> None:
        """Adds a layer for a node; its parameters take their values from the tensors that they come from."""
        parameters = parameters or {}
        self.net.layer(op, name=self._name(node, parameters), inputs=inputs, **attrs)
        layer, names = self.net.layers[-1], {}
        for role, origin in parameters.items():
            names[role] = next((n for n, known in self.origins.items() if known == origin), layer.parameters[role])
            if names[role] != layer.parameters[role]:  # two layers share the tensor
                del self.net.parameters[layer.parameters[role]]
            value = self.constants[origin.tensor]
            value = value.T if origin.transposed else value
            self.origins[names[role]] = origin
            self.weights[names[role]] = value.reshape(self.net.parameters[names[role]].shape).astype(np.float32)
        self.net.layers[-1] = replace(layer, parameters=names)
        self.values[node.output[0]] = self.net.at

    def origin(self, node: Any, number: int, what: str, *, transposed: bool = False) -> Origin:
        """The origin of the parameter that is a node's input of that number."""
        name = node.input[number]
        value = self.constant(name, what)
        merged = self.readers[name] > 1 and value.size > 0 and bool((value == value.reshape(-1)[0]).all())
        reader = (str(node.output[0]), number) if merged else None
        return Origin(name, transposed, value.shape, reader)

    def attributes(self, node: Any) -> dict[str, Any]:
        """The attributes of a node by name; text as str."""
        helper = modules().helper
        found = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}

    def _name(self, node: Any, parameters: dict[str, Origin]) -> str:
        tensor = next(iter(parameters.values())).tensor if parameters else ""
        base = tensor.rsplit(".", 1)[0] if tensor.endswith((".weight", ".bias")) else node.name or node.output[0]
        base = re.sub(r"[^A-Za-z0-9_.-]+", ".", base).strip(".") or node.op_type.lower()
        name, number = base, 2
        while name in self.net.shapes:
            name, number = f"{base}.{number}", number + 1
        return name


Converter = Callable[[Importer, Any], None]


def import_onnx(path: str | Path, *, init: bool = False, seed: int = 0, name: str = "") -> Imported:
    """The network of an ONNX file and its weights; with `init` these are drawn anew.

    Raises InputError on a file that is malformed, too large, of an unknown operator set, dynamic in shape, that holds weights
    which are no numbers, or that has a node without a converter (it is named, with the nearest that has one).
    """
    path = Path(path)
    source = read(path)
    nodes = join_gelu(list(source.proto.graph.node), source.constants)
    readers = Counter(name for node in nodes for name in node.input)
    dtype = "u16" if source.tokens else "f32"
    net = Builder(name or re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem), source.input_shape, input_dtype=dtype)
    importer = Importer(source, net, dict(source.constants), readers, {source.input_name: net.at})
    for node in nodes:
        _convert(importer, node, path)
    if source.output_name not in importer.values:
        raise InputError(f"{path}: its output {source.output_name} does not depend on its input")
    return _finish(importer, importer.value(source.output_name), path, init, seed)


def _convert(importer: Importer, node: Any, path: Path) -> None:
    from tercet.model.exchange.converters import CONVERTERS, NEAREST

    where = f"{path}: node {node.name or node.output[0]} ({node.op_type})"
    try:
        folded = fold(node, importer.constants, importer.source.opset)
        if folded is not None:
            importer.constants |= dict(zip(node.output, folded, strict=False))
            return
        converter = CONVERTERS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if converter is None:
            close = difflib.get_close_matches(node.op_type, CONVERTERS, 1, 0.5)
            nearest = NEAREST.get(node.op_type, close[0] if close else "a composition of the supported ones")
            message = f"{where} is not supported; nearest: {nearest}"
            raise InputError(message, hint=f"supported: {', '.join(sorted(CONVERTERS))}")
        converter(importer, node)
    except InputError as error:
        if error.message.startswith(where):
            raise
        raise InputError(f"{where}: {error.message}", hint=error.hint) from error
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"{where}: cannot be understood: {error!r}") from error


def _finish(importer: Importer, output: str, path: Path, init: bool, seed: int) -> Imported:
    if output == "input":
        raise InputError(f"{path}: the output is the input, there is nothing to train")
    layers = live(tuple(importer.net.layers), output)
    used = {name for layer in layers for name in layer.parameters.values()}
    net = importer.net
    parameters = {name: p for name, p in net.parameters.items() if name in used}
    model = Model(net.name, net.input_shape, layers, parameters, net.input_dtype)
    check(model, str(path))
    weights = initialise(model, seed) if init else check_weights(model, importer.weights, str(path))
    return Imported(model, weights, {name: o for name, o in importer.origins.items() if name in used})
