# SPDX-License-Identifier: Apache-2.0
"""From a model to its training graph: read, forward, loss, backward, update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tercet.autodiff import tiles
from tercet.autodiff.graph import Graph, Tensor, check
from tercet.autodiff.losses import LOSSES, Loss, read, write_loss
from tercet.autodiff.optimizers import Updates, settings
from tercet.autodiff.rules import RULES
from tercet.autodiff.tape import Call, Tape, Value
from tercet.errors import InputError
from tercet.model.graph import INPUT, STATISTICS, Layer, Model, live
from tercet.model.operators import FUSIBLE, product


def training_graph(
    model: Model,
    batch: int,
    loss: str = "softmax_cross_entropy",
    optimizer: dict[str, Any] | None = None,
    *,
    micro_batches: int = 1,
    pool_keeps: str = "argmax",
    tile_bytes: int | None = None,
    inputs: dict[str, str] | None = None,
) -> Graph:
    """The training graph of one step of `batch` samples, in parts of batch / micro_batches whose gradients are summed.

    `optimizer`: {"name": sgd | momentum | nesterov | adam | adamw, "rate", "momentum", "decay", "clip_norm", ...};
    `pool_keeps`: what maximum pooling keeps for its backward pass, `argmax` (a byte an output) or its `input`;
    `tile_bytes`: weights larger than this are divided into tiles of outputs; `inputs`: the hashes of the artefacts that
    it is made from. A last softmax (sigmoid) that the loss contains is left out. Raises InputError on a batch or loss that does
    not fit.
    """
    if batch < 1 or micro_batches < 1 or batch % micro_batches:
        raise InputError(f"a batch of {batch} does not divide into {micro_batches} equal parts of 1 or more")
    complete, layers = settings(optimizer), _without_last(model, loss)
    tape = _tape(model, batch // micro_batches, tiles.of_model(model, tile_bytes) if tile_bytes else {})
    tape.pool_keeps = pool_keeps
    if not tape.trained & {name for layer in layers for name in layer.parameters.values()}:
        raise InputError(f"{model.name}: every parameter is frozen, there is nothing to train")
    uses = Counter(name for layer in layers for name in _parameters(tape, layer))
    updates = Updates(tape, complete, {name: count * micro_batches for name, count in uses.items()})
    updates.share = 1.0 / micro_batches
    _parts(tape, micro_batches, lambda: _step(tape, updates, model, layers, LOSSES[loss]))
    updates.finish()
    nodes = tape.finish()
    graph = Graph(model.name, batch, _used(tape.tensors, nodes), nodes, loss, complete, inputs or {})
    check(graph, model.name)
    return graph


def _parts(tape: Tape, count: int, step: Callable[[], str]) -> None:
    """The micro-batches, each of which `step` records; their metrics are summed."""
    metric = ""
    for part in range(count):
        if count > 1:
            tape.prefix, tape.part = f"part{part}.", part
        found = step()
        metric = tape.accumulate("metric", metric, found) if metric else found
    tape.prefix = ""


def inference_graph(model: Model, batch: int) -> tuple[Graph, str]:
    """The forward pass alone (running statistics, no dropout) and the name of the tensor that holds the outputs."""
    tape = _tape(model, batch)
    tape.training = False
    _, values = _forward(tape, model, live(model.layers, model.output))
    nodes = tape.finish()
    graph = Graph(model.name, batch, _used(tape.tensors, nodes), nodes, "none", {})
    check(graph, model.name)
    return graph, values[model.output].tensor


def _parameters(tape: Tape, layer: Layer) -> list[str]:
    """The tensors of a layer's parameters, tile by tile where it is divided."""
    if layer.name not in tape.tiles:
        return list(layer.parameters.values())
    return [name for tile in tape.tiles[layer.name] for name in tile.parameters.values()]


def _tape(model: Model, batch: int, divided: dict[str, tuple[tiles.Tile, ...]] | None = None) -> Tape:
    """A tape with the model's parameters declared, those of `divided` layers as tiles."""
    tape = Tape(batch)
    tape.tiles = divided or {}
    for name, parameter in model.parameters.items():
        statistics = parameter.init in STATISTICS
        tape.tensors[name] = Tensor(name, parameter.shape, "f32", "state" if statistics else "weight")
        if parameter.trainable and not statistics:
            tape.trained.add(name)
    for layer in model.layers:
        if layer.name in tape.tiles:
            made = tiles.tensors(layer, model.parameters, tape.tiles[layer.name])
            tape.tensors |= made
            tape.trained |= {name for name, tensor in made.items() if tensor.whole in tape.trained}
    return tape


def _without_last(model: Model, name: str) -> tuple[Layer, ...]:
    """The layers that a loss needs: a last softmax or sigmoid that it contains is left out."""
    if name not in LOSSES:
        raise InputError(f"unknown loss {name!r}", hint=", ".join(LOSSES))
    last, loss = model.layers[-1], LOSSES[name]
    contained = loss.contains and loss.contains in (last.op, last.attrs.get("kind"))
    layers = model.layers[:-1] if contained else model.layers
    return live(layers, last.inputs[0] if contained else last.name)


def _used(tensors: dict[str, Tensor], nodes: tuple[Any, ...]) -> dict[str, Tensor]:
    names = {name for node in nodes for name in (*node.inputs, *node.outputs, *node.mutates)}
    return {name: tensor for name, tensor in tensors.items() if name in names}


def _step(tape: Tape, updates: Updates, model: Model, layers: tuple[Layer, ...], loss: Loss) -> str:
    """Writes one (micro-)batch and returns its metric tensor."""
    calls, values = _forward(tape, model, layers)
    output = values[layers[-1].name]
    metric, gradient = write_loss(tape, loss, output)
    tape.phase = "backward"
    needed = _needing(tape, updates, calls)
    gradients: dict[str, str] = {output.tensor: gradient}
    for call in reversed(calls):
        if call.output.tensor not in gradients or not needed[id(call)]:
            continue
        dy = gradients.pop(call.output.tensor)
        if not call.activation_done:
            dy = tape.activation_backward(call.layer.name, dy, call.output, call.activation)
        needs = [value.tensor in needed["tensors"] for value in call.inputs]
        found = RULES[call.layer.op].backward(tape, updates, call, dy, needs)
        for value, new in zip(call.inputs, found, strict=True):
            if new is None:
                continue
            old = gradients.get(value.tensor)
            gradients[value.tensor] = tape.accumulate(value.tensor, old, new) if old else new
    return metric


def _forward(tape: Tape, model: Model, layers: tuple[Layer, ...]) -> tuple[list[Call], dict[str, Value]]:
    readers = Counter(name for layer in layers for name in layer.inputs)
    values = {INPUT: _read_input(tape, model)}
    made: dict[str, Call] = {}
    calls: list[Call] = []
    tape.phase = "forward"
    fused: set[str] = set()
    for position, layer in enumerate(layers):
        if layer.name in fused:
            continue
        follower = _follower(layers[position + 1 :], layer, readers)
        activation = follower.attrs["kind"] if follower else "none"
        call = RULES[layer.op].forward(tape, layer, [values[name] for name in layer.inputs], activation)
        call.producers = [made.get(name) for name in layer.inputs]
        call.single_reader = readers[follower.name if follower else layer.name] == 1
        for name in (layer.name, follower.name if follower else layer.name):
            values[name], made[name] = call.output, call
        fused |= {follower.name} if follower else set()
        calls.append(call)
    return calls, values


def _follower(rest: tuple[Layer, ...], layer: Layer, readers: Counter[str]) -> Layer | None:
    """The activation that the layer's kernel can apply itself: its only reader."""
    if not RULES[layer.op].fuses or readers[layer.name] != 1:
        return None
    reader = next((other for other in rest if layer.name in other.inputs), None)
    return reader if reader and reader.op == "activation" and reader.attrs["kind"] in FUSIBLE else None


def _read_input(tape: Tape, model: Model) -> Value:
    tokens = model.input_dtype != "f32"
    tape.phase = "input"
    tensor = tape.tensor("x", (tape.batch, *model.input_shape), "input", model.input_dtype)
    dims: tuple[int, ...] = (tape.batch, product(model.input_shape))
    read(tape, "read_tokens" if tokens else "read_input", dims, "ids" if tokens else "x", tensor)
    return Value(tensor, model.input_shape)


def _needing(tape: Tape, updates: Updates, calls: list[Call]) -> dict[Any, Any]:
    """Which calls a gradient must pass, and which tensors need one: those with a trained parameter upstream."""
    tensors: set[str] = set()
    found: dict[Any, Any] = {"tensors": tensors}
    for call in calls:
        trained = any(updates.trains(name) for name in call.layer.parameters.values())
        found[id(call)] = trained or any(value.tensor in tensors for value in call.inputs)
        if found[id(call)]:
            tensors.add(call.output.tensor)
    return found
