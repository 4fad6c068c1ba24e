# SPDX-License-Identifier: Apache-2.0
"""What the stage verbs do: read artefacts, call a stage, write its artefact, say what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tercet import artifacts, plan_format
from tercet.autodiff import graph as graphs
from tercet.autodiff.training import inference_graph, training_graph
from tercet.errors import InfeasibleError
from tercet.model import graph as models
from tercet.model import zoo
from tercet.plan import dump, lower
from tercet.plan.dataset_file import PackedData
from tercet.solve import schedule as schedules
from tercet.targets import Target
from tercet.train import predict
from tercet.train.job import Job
from tercet.units import format_bytes

SETS = ("mlp", "cnn", "all")  # of native kernels, each holding those before it
LOSSES = ("softmax_cross_entropy", "mean_squared_error")
CONVOLUTIONS = ("conv2d_", "maxpool2d_", "avgpool2d_", "global_average_")


def read_model(source: str, seed: int | None = None) -> tuple[models.Model, dict[str, Any]]:
    """Model and weights from an ONNX file, a model.json or a name of the zoo."""
    if source.endswith(".onnx"):
        from tercet.model.exchange.importer import import_onnx

        found = import_onnx(source)
        model, weights = found.model, found.weights
    elif source.endswith(".json"):
        model, weights = models.load(source)
    else:
        model = zoo.build(source)
        weights = models.initialise(model, 0 if seed is None else seed)
    return model, weights if seed is None else models.initialise(model, seed)


def import_model(source: str, seed: int | None, last: int | None, freeze: tuple[str, ...], out: Path) -> dict[str, Any]:
    """Writes model.json; returns its size in numbers."""
    model, weights = read_model(source, seed)
    if last is not None or freeze:
        model = model.frozen(last=last, patterns=freeze)
    models.save(model, weights, out)
    trained = sum(p.count for p in model.parameters.values() if p.trainable)
    return {"model": str(out), "name": model.name, "layers": len(model.layers), "parameters": model.parameter_count,
            "trained": trained}  # fmt: skip


def set_of(op: str) -> str:
    """Which set of native kernels brings an operator: mlp, cnn or all, each holding those before it."""
    if op.startswith("dense_") or op in ("activation_backward", *LOSSES):
        return "mlp"
    return "cnn" if op.startswith(CONVOLUTIONS) else "all"


def operator_set(graph: graphs.Graph) -> str:
    """The smallest set of native kernels that covers a graph: mlp, cnn or all."""
    found = {set_of(node.op) for node in graph.nodes if not node.op.startswith("read_")}
    return next(name for name in ("all", "cnn", "mlp") if name in found or name == "mlp")


def with_prediction(order: Job, model: models.Model, graph: graphs.Graph, packed: PackedData, target: Target) -> Job:
    """A job with what the board needs to predict with what it trains by `graph`."""
    return order.with_files(predict.files(*inference_graph(model, 1), graph, packed, target, order))


def optimizer_settings(name: str, rate: float | None, schedule: str = "constant") -> dict[str, Any]:
    """The optimizer as the training graph wants it."""
    given = {"name": name} if rate is None else {"name": name, "rate": rate}
    return given if schedule == "constant" else {**given, "schedule": {"name": schedule}}


def build_graph(
    model_file: Path, out: Path, *, batch: int, loss: str, optimizer: str, rate: float | None, micro_batches: int,
    tile_bytes: int | None = None,
) -> dict[str, Any]:
    """Writes graph.json; returns its size in numbers."""
    model, _ = models.load(model_file)
    graph = training_graph(
        model, batch, loss, optimizer_settings(optimizer, rate), micro_batches=micro_batches, tile_bytes=tile_bytes,
        inputs={model_file.name: artifacts.sha256_file(model_file)},
    )  # fmt: skip
    graphs.save(graph, out)
    persistent = sum(tensor.nbytes for tensor in graph.persistent)
    return {"graph": str(out), "nodes": len(graph.nodes), "tensors": len(graph.tensors),
            "macs": sum(node.macs for node in graph.nodes), "persistent_bytes": persistent}  # fmt: skip


def write_plan(
    graph_file: Path, schedule_file: Path, out: Path, *, target: str, ram: int | None, overlap: bool, encrypt: bool
) -> dict[str, Any]:
    """Writes plan.bin and plan.txt; raises InfeasibleError when the arena exceeds `ram`."""
    graph = graphs.load(graph_file)
    schedule = schedules.load(schedule_file)
    budget = ram or int(schedule.meta.get("ram_budget_bytes") or 0)
    plan = lower.lower(graph, schedule, target=target, budget_bytes=budget, overlap=overlap, encrypted=encrypt)
    if budget and plan.peak_bytes > budget:
        raise InfeasibleError(
            f"the arena takes {plan.peak_bytes} bytes, the budget is {budget}: placement costs bytes over the live peak",
            hint=f"solve again with --ram {2 * budget - plan.peak_bytes}", smallest={"ram_bytes": plan.peak_bytes},
        )  # fmt: skip
    data = plan_format.encode(plan)
    artifacts.write_bytes(out, data)
    artifacts.write_bytes(out.with_suffix(".txt"), dump.text(graph, plan).encode())
    return {"plan": str(out), "bytes": len(data), "records": len(plan.records), "arena_bytes": plan.arena_bytes,
            "peak_bytes": plan.peak_bytes, "peak": format_bytes(plan.peak_bytes),
            "page_blocks": plan.page_blocks}  # fmt: skip
