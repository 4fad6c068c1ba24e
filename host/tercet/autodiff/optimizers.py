# SPDX-License-Identifier: Apache-2.0
"""Optimizers: which nodes apply a gradient, the state they keep, and the float settings of each step."""

from __future__ import annotations

import math
from typing import Any

from tercet.autodiff.graph import Tensor
from tercet.autodiff.tape import Tape
from tercet.errors import InputError
from tercet.kernel_table import split_count, split_float

# name -> (default settings, suffixes of the state tensors of one parameter)
OPTIMIZERS: dict[str, tuple[dict[str, float], tuple[str, ...]]] = {
    "sgd": ({"rate": 0.1}, ()),
    "momentum": ({"rate": 0.05, "momentum": 0.9}, ("v",)),
    "nesterov": ({"rate": 0.05, "momentum": 0.9}, ("v",)),
    "adam": ({"rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}, ("m", "v")),
    "adamw": ({"rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "decay": 0.01}, ("m", "v")),
}
_ANY = {"rate", "decay", "clip_value", "clip_norm", "seed", "schedule"}
_SCHEDULES = ("constant", "step", "cosine", "linear", "warmup_cosine")


def settings(optimizer: dict[str, Any] | None) -> dict[str, Any]:
    """An optimizer's complete settings; raises InputError on unknown names or senseless values."""
    given = dict(optimizer or {"name": "sgd"})
    name = given.get("name", "sgd")
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer {name!r}", hint=", ".join(OPTIMIZERS))
    defaults = OPTIMIZERS[name][0]
    unknown = set(given) - _ANY - set(defaults) - {"name"}
    if unknown:
        raise InputError(f"{name} has no setting {sorted(unknown)[0]!r}", hint=", ".join(sorted(_ANY | set(defaults))))
    for key, value in given.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        if key not in ("name", "schedule") and not number:
            raise InputError(f"{name}: {key} must be a finite number of at least 0, found {value!r}")
    if given.get("schedule", {}).get("name", "constant") not in _SCHEDULES:
        raise InputError(f"unknown rate schedule {given['schedule']['name']!r}", hint=", ".join(_SCHEDULES))
    if "clip_value" in given and "clip_norm" in given:
        raise InputError("gradients can be clipped by value or by norm, not by both")
    return {"name": name, **defaults, "decay": 0.0, **defaults, **given}


def hyper(optimizer: dict[str, Any], step: int, steps: int = 0) -> dict[str, float]:
    """The float settings that kernels read at `step` (from 0) of `steps`: rate by the schedule, Adam's corrections."""
    found = {key: float(value) for key, value in optimizer.items() if key not in ("name", "schedule")}
    found["rate"] = rate_at(optimizer, step, steps)
    found["step"] = float(step)
    found.setdefault("seed", 0.0)
    found["clip"] = found.get("clip_norm", found.get("clip_value", 0.0))
    if "beta1" in found:
        found["correction1"] = 1.0 - found["beta1"] ** (step + 1)
        found["correction2"] = 1.0 - found["beta2"] ** (step + 1)
    return found


def rate_at(optimizer: dict[str, Any], step: int, steps: int = 0) -> float:
    """The learning rate at a step.

    Schedules: `constant`; `step` (times `factor` every `every` steps); `cosine` and `linear` fall to `final` (a share
    of the rate, default 0) over `steps`; `warmup_cosine` rises over `warmup` steps first.
    """
    rate, schedule = float(optimizer["rate"]), optimizer.get("schedule", {})
    kind = schedule.get("name", "constant")
    if kind == "constant":
        return rate
    if kind == "step":
        return float(rate * schedule.get("factor", 0.1) ** (step // int(schedule["every"])))
    warmup = int(schedule.get("warmup", 0)) if kind == "warmup_cosine" else 0
    if step < warmup:
        return rate * (step + 1) / warmup
    total = int(schedule.get("steps", steps))
    share = min(max((step - warmup) / max(total - warmup, 1), 0.0), 1.0)
    final = float(schedule.get("final", 0.0))
    fall = 1.0 - share if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * share))
    return rate * (final + (1.0 - final) * fall)


class Updates:
    """Writes update nodes as soon as a parameter's gradient is complete, fused with its computation where it can be."""

    def __init__(self, tape: Tape, optimizer: dict[str, Any], uses: dict[str, int]) -> None:
        self.tape = tape
        self.optimizer = optimizer
        self.uses = uses
        self.pending: dict[str, str] = {}
        self.ready: list[str] = []
        # the factor that turns a sum over micro-batches into a mean
        self.share = 1.0

    def trains(self, name: str | None) -> bool:
        """Whether a parameter is trained."""
        return name in self.tape.trained

    def fused(self, *names: str, kinds: tuple[str, ...] = ("sgd", "momentum")) -> str | None:
        """Which of the fused updates may apply these parameters' gradient at once, if any."""
        clipped = "clip_value" in self.optimizer or "clip_norm" in self.optimizer
        single = all(self.uses[name] == 1 and name not in self.pending and self.trains(name) for name in names)
        plain = single and not clipped
        kind, decay = self.optimizer["name"], self.optimizer["decay"]
        if not plain or kind not in kinds or (kind == "momentum" and decay):
            return None
        if decay:
            for name in names:
                self._node("weight_decay", f"{name}.decay", {"w": name}, None)
        return str(kind)

    def state(self, name: str, suffix: str) -> str:
        """The optimizer's state tensor of a parameter, declared on first use."""
        state = f"{name}.{suffix}"
        if state not in self.tape.tensors:
            parameter = self.tape.tensors[name]
            whole = parameter.whole and f"{parameter.whole}.{suffix}"
            self.tape.tensors[state] = Tensor(state, parameter.shape, "f32", "state", whole, parameter.first)
        return state

    def apply(self, name: str, gradient: str) -> None:
        """Adds one contribution to a parameter's gradient; the update follows the last one."""
        if name in self.pending:
            gradient = self.tape.accumulate(f"{name}.dw", self.pending[name], gradient)
        self.pending[name] = gradient
        self.uses[name] -= 1
        if self.uses[name]:
            return
        if "clip_norm" in self.optimizer:
            self.ready.append(name)
        else:
            self._update(name, self.pending.pop(name))

    def finish(self) -> None:
        """Writes the updates that had to wait for every gradient (clipping by the global norm)."""
        if not self.ready:
            return
        self.tape.phase = "update"
        total = ""
        for name in self.ready:
            self.pending[name] = self._scaled(name, self.pending[name])
            part = self.tape.tensor(f"{name}.square_sum", (1,), "gradient")
            dims = split_count(self.tape.tensors[name].count)
            ins = {"dw": self.pending[name]}
            self.tape.node("square_sum", f"{name}.square_sum", dims, outs={"total": part}, ins=ins)
            total = self.tape.accumulate("norm", total, part) if total else part
        for name in self.ready:
            clipped = self._inplace("clip_norm", name, self.pending.pop(name), {"total": total})
            self._emit(name, clipped)

    def _update(self, name: str, gradient: str) -> None:
        phase, self.tape.phase = self.tape.phase, "update"
        gradient = self._scaled(name, gradient)
        if "clip_value" in self.optimizer:
            gradient = self._inplace("clip_value", name, gradient, {})
        self._emit(name, gradient)
        self.tape.phase = phase

    def _scaled(self, name: str, gradient: str) -> str:
        if self.share == 1.0:
            return gradient
        source = self.tape.tensors[gradient]
        mean = self.tape.tensor(f"{name}.mean", source.shape, "gradient")
        dims = (*split_count(source.count), *split_float(self.share))
        self.tape.node("scale", f"{name}.mean", dims, outs={"y": mean}, ins={"x": gradient})
        return mean

    def _inplace(self, op: str, name: str, gradient: str, ins: dict[str, str]) -> str:
        source = self.tape.tensors[gradient]
        clipped = self.tape.tensor(f"{name}.clipped", source.shape, "gradient")
        dims = split_count(source.count)
        self.tape.node(op, f"{name}.{op}", dims, outs={"dw": clipped}, ins=ins, takes=(("dw", gradient),))
        return clipped

    def _emit(self, name: str, gradient: str) -> None:
        kind = self.optimizer["name"]
        if kind == "sgd":
            self._node("sgd_update", f"{name}.update", {"w": name}, gradient)
        elif kind in ("momentum", "nesterov"):
            mutates = {"w": name, "v": self.state(name, "v")}
            self._node("momentum_update", f"{name}.update", mutates, gradient, int(kind == "nesterov"))
        else:
            mutates = {"w": name, "m": self.state(name, "m"), "v": self.state(name, "v")}
            self._node("adam_update", f"{name}.update", mutates, gradient, int(kind == "adamw"))

    def _node(self, op: str, node: str, mutates: dict[str, str], gradient: str | None, *flags: int) -> None:
        phase, self.tape.phase = self.tape.phase, "update"
        dims = (*split_count(self.tape.tensors[mutates["w"]].count), *flags)
        self.tape.node(op, node, dims, mutates=mutates, ins={"dw": gradient} if gradient else {})
        self.tape.phase = phase
