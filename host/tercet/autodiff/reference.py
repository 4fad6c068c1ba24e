# SPDX-License-Identifier: Apache-2.0
"""The NumPy reference: executes a training graph in node order or by a schedule, with real freeing and overwriting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tercet.autodiff import tiles
from tercet.autodiff.checks import check_data
from tercet.autodiff.graph import PERSISTENT, Graph, Node
from tercet.autodiff.kernels import KERNELS
from tercet.autodiff.optimizers import hyper as hyper_at
from tercet.autodiff.training import inference_graph
from tercet.errors import InputError
from tercet.model.graph import Model

__all__ = ["KERNELS", "IllegalScheduleError", "Reference", "evaluate", "predict", "train"]
_DTYPES: dict[str, Any] = {"u8": np.uint8, "u16": np.uint16, "i32": np.int32}


class IllegalScheduleError(InputError):
    """An action that cannot be carried out: it reads what is not there, or would compute something else."""


class Reference:
    """A training run in NumPy.

    `weights` maps parameter names to arrays (optimizer state may be among them; it starts at zero otherwise). `dtype`
    is f32, or f64 for gradient checks.
    """

    def __init__(self, graph: Graph, weights: dict[str, np.ndarray], *, dtype: Any = np.float32) -> None:
        self.graph = graph
        self.real = dtype
        self.nodes = {node.name: node for node in graph.nodes}
        self.step_number = 0
        self.buffers: dict[str, np.ndarray] = {}
        self.pages: dict[str, np.ndarray] = {}
        for tensor in graph.persistent:
            first = tiles.part(tensor, weights)
            if first is None and tensor.kind == "weight":
                raise InputError(f"no weights are given for {tensor.name}")
            first = np.zeros(tensor.shape) if first is None else first
            self.buffers[tensor.name] = np.array(first, dtype).reshape(tensor.shape)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Copies of weights and state by name, wherever they are (in memory or paged out); tiles are put together."""
        names = [tensor.name for tensor in self.graph.persistent]
        found = {name: self.buffers.get(name, self.pages.get(name, np.empty(0))).copy() for name in names}
        return tiles.joined(self.graph.persistent, found)

    def step(
        self,
        x: np.ndarray,
        target: np.ndarray,
        *,
        actions: Sequence[Any] | None = None,
        hyper: dict[str, float] | None = None,
    ) -> np.ndarray:
        """The metric (summed loss, number correct) of one step on x [batch, ...] and its labels or targets.

        `actions` is a schedule of Compute, Recompute, PageOut, PageIn, Free and Update; node order otherwise. Raises
        IllegalScheduleError when an action reads a tensor that is not in memory, or would compute another result than
        the first time.
        """
        self._check_data(x, target)
        run = _Step(self, x, target, hyper or hyper_at(self.graph.optimizer, self.step_number))
        if actions is None:
            for node in self.graph.nodes:
                run.compute(node, first=True)
        else:
            for position, action in enumerate(actions):
                run.act(position, action)
            run.check_complete()
        metric = next(t.name for t in reversed(self.graph.tensors.values()) if t.kind == "metric")
        found = self.buffers.get(metric, self.pages.get(metric))
        if found is None:
            raise IllegalScheduleError(f"the schedule ends without the metric {metric}")
        result = np.array(found)
        self._end()
        return result

    def _end(self) -> None:
        for name in [name for name in self.buffers if self.graph.tensors[name].kind not in PERSISTENT]:
            del self.buffers[name]
        for name in [name for name in self.pages if self.graph.tensors[name].kind not in PERSISTENT]:
            del self.pages[name]
        self.step_number += 1

    def _check_data(self, x: np.ndarray, target: np.ndarray) -> None:
        if len(x) != self.graph.batch or len(target) != self.graph.batch:
            raise InputError(f"{len(x)} inputs and {len(target)} labels given, the graph's batch is {self.graph.batch}")
        check_data(self.graph, x, target)


class _Step:
    """The execution of one step on the buffers of a reference."""

    def __init__(self, owner: Reference, x: np.ndarray, target: np.ndarray, hyper: dict[str, float]) -> None:
        self.owner = owner
        self.graph = owner.graph
        self.buffers = owner.buffers
        self.data = {"input": x, "label": target}
        self.hyper = hyper
        self.versions: Counter[str] = Counter()
        self.read_versions: dict[str, dict[str, int]] = {}

    def act(self, position: int, action: Any) -> None:
        """Carries out one action of a schedule."""
        kind = type(action).__name__
        where = f"action {position} ({action})"
        try:
            if kind in ("Compute", "Recompute", "Update"):
                self.compute(self.owner.nodes[action.node], first=kind != "Recompute")
            elif kind == "PageOut":
                self.owner.pages[action.tensor] = self._resident(action.tensor).copy()
            elif kind == "PageIn":
                self._page_in(action.tensor)
            elif kind == "Free":
                self._free(action.tensor)
            else:
                raise IllegalScheduleError(f"unknown action {kind}")
        except KeyError as error:
            raise IllegalScheduleError(f"{where}: no such node: {error}") from error
        except IllegalScheduleError as error:
            raise IllegalScheduleError(f"{where}: {error.message}") from error

    def compute(self, node: Node, *, first: bool) -> None:
        """Runs a node; a repetition must read the same versions of the weights as the first run."""
        self._check_repeat(node, first)
        arrays = {name: self._resident(name) for name in (*node.inputs, *node.mutates)}
        taken = {output: name for output, name in node.inplace}
        for output in node.outputs:
            if output in taken:
                arrays[output] = self.buffers.pop(taken[output]).reshape(self.graph.tensors[output].shape)
            elif output in self.buffers and first:
                raise IllegalScheduleError(f"{output} is in memory already")
            else:
                arrays[output] = self.buffers.get(output, self._empty(output))
            self.buffers[output] = arrays[output]
        if node.op.startswith("read_"):
            self._read(node, arrays[node.outputs[0]])
        else:
            KERNELS[node.op]({role: arrays[name] for role, name in node.operands.items()}, node.dims, self.hyper)
        self.versions.update(node.mutates)

    def check_complete(self) -> None:
        """Raises IllegalScheduleError unless every node that changes weights has run."""
        missing = [n.name for n in self.graph.nodes if n.mutates and n.name not in self.read_versions]
        if missing:
            raise IllegalScheduleError(f"the schedule leaves out the update {missing[0]}")

    def _check_repeat(self, node: Node, first: bool) -> None:
        versions = {name: self.versions[name] for name in node.inputs if self.graph.tensors[name].kind in PERSISTENT}
        known = self.read_versions.get(node.name)
        if known is not None and (first or not node.pure):
            raise IllegalScheduleError(f"{node.name} is computed twice" + ("" if node.pure else ", it must run once"))
        if known is None and not first:
            raise IllegalScheduleError(f"{node.name} is recomputed before it was computed")
        if known not in (None, versions):
            raise IllegalScheduleError(f"{node.name} is recomputed after its weights were updated")
        self.read_versions[node.name] = versions

    def _read(self, node: Node, out: np.ndarray) -> None:
        source = self.data[self.graph.tensors[node.outputs[0]].kind]
        first = node.dims[2] if node.op.endswith("_rows") else 0
        out[...] = np.asarray(source)[first : first + len(out)].reshape(out.shape)

    def _resident(self, name: str) -> np.ndarray:
        if name not in self.buffers:
            raise IllegalScheduleError(f"{name} is not in memory")
        return self.buffers[name]

    def _empty(self, name: str) -> np.ndarray:
        tensor = self.graph.tensors[name]
        dtype = _DTYPES.get(tensor.dtype, self.owner.real)
        return np.full(tensor.shape, _poison(dtype), dtype)

    def _page_in(self, name: str) -> None:
        if name not in self.owner.pages:
            raise IllegalScheduleError(f"{name} was never paged out")
        if name in self.buffers:
            raise IllegalScheduleError(f"{name} is in memory already")
        self.buffers[name] = self.owner.pages[name].copy()

    def _free(self, name: str) -> None:
        array = self._resident(name)
        if self.graph.tensors[name].kind in PERSISTENT:
            page = self.owner.pages.get(name)
            if page is None or not np.array_equal(page, array):
                raise IllegalScheduleError(f"{name} would be lost: its page is missing or old")
        # whoever still holds the array sees that it is gone
        array.fill(_poison(array.dtype))
        del self.buffers[name]


def predict(model: Model, weights: dict[str, np.ndarray], x: np.ndarray, *, batch: int = 64) -> np.ndarray:
    """The outputs [samples, ...] of a model without training: running statistics, no dropout; f32."""
    found = []
    for first in range(0, len(x), batch):
        part = x[first : first + batch]
        graph, output = inference_graph(model, len(part))
        run = Reference(graph, weights)
        step = _Step(run, part, np.empty(0), {"seed": 0.0, "step": 0.0})
        for node in graph.nodes:
            step.compute(node, first=True)
        found.append(run.buffers[output].reshape(len(part), *model.output_shape))
    return np.concatenate(found)


def evaluate(model: Model, weights: dict[str, np.ndarray], x: np.ndarray, labels: np.ndarray) -> float:
    """The share of samples whose largest output stands at their label."""
    return float((predict(model, weights, x).argmax(axis=-1) == labels).mean())


def _poison(dtype: Any) -> float:
    """What a buffer holds that nothing has been written to: not a number, or the largest integer."""
    return float("nan") if np.dtype(dtype).kind == "f" else int(np.iinfo(dtype).max)


def train(
    graph: Graph,
    weights: dict[str, np.ndarray],
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    actions: Sequence[Any] | None = None,
) -> tuple[dict[str, np.ndarray], list[float]]:
    """(weights and state, mean loss of each step) after a step on each of `batches`, by a schedule if given."""
    run = Reference(graph, weights)
    losses = [float(run.step(x, target, actions=actions)[0]) / graph.samples for x, target in batches]
    return run.weights, losses
