# SPDX-License-Identifier: Apache-2.0
"""One compression run: opens a model and data, applies a method, writes the files, says what was won and lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.compress import methods, report
from tercet.compress.auto import by_auto
from tercet.compress.job import Data, Job, open_data, open_network
from tercet.compress.methods import Result
from tercet.compress.network import Network
from tercet.compress.packed import integer, pack
from tercet.errors import InputError
from tercet.model.graph import Model, save
from tercet.model.weights import Weights

METHODS: dict[str, Callable[[Job], Result]] = methods.METHODS | {"auto": by_auto}


def run(method: str, model_path: str | Path, data: Any = None, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """Compresses a network and writes it; returns what `tercet compress --json` prints.

    `method`: prune, channels, deep, fixedpoint, lowrank, ternary or auto. `model_path`: a model.json, an ONNX file, a compressed
    file or a network of the zoo. `data`: a data set's name, an .npz file, a `Dataset` or `Data`. `options`: those of the method
    (`methods.py`, `auto.py`), and `output` (the compressed file, `MODEL.METHOD.trz` by default; a .json beside it with `json`).

    `{"method", "model", "output", "bytes_before", "bytes_on_disk", "ratio", "error_before", "error_after", "layers", "stages",
    ...}`;
    errors in percent of the test samples. With whole-number execution `error_on_board` is that of the board's arithmetic.
    """
    if method not in METHODS:
        raise InputError(f"no method is called {method!r}", hint=", ".join(METHODS))
    options = options or {}
    model, weights = open_network(model_path)
    job = Job(model, weights, open_data(data, options.get("cache")), options)
    found = job.needs("judging a compressed network")
    before = job.network.error_percent(weights, found.test)
    result = METHODS[method](job)
    blob = pack(result.model, result.weights, result.execution)
    output = Path(options.get("output") or f"{Path(model_path).stem}.{method}.trz")
    artifacts.write_bytes(output, blob)
    if options.get("json"):
        save(result.model, result.weights, output.with_suffix(".json"))
    full = report.f32_bytes(model)
    return {
        "method": method,
        "model": model.name,
        "output": str(output),
        "bytes_before": full,
        "bytes_on_disk": len(blob),
        "ratio": full / len(blob),
        "error_before": before,
        "error_after": Network(result.model).error_percent(result.weights, found.test, result.hook),
        **_on_board(result, found),
        "layers": report.layer_rows(result.model, result.weights, result.execution),
        "stages": [_stage(name, less, values, found) for name, less, values in result.stages],
        **result.facts,
    }


def _on_board(result: Result, data: Data) -> dict[str, Any]:
    """The error of whole-number execution, where the network and its samples allow it."""
    if result.execution is None:
        return {}
    try:
        network = integer.lower(result.model, result.weights, result.execution.fractions, result.execution.divisor)
    except InputError as error:
        return {"error_on_board": None, "reason": error.message}
    whole = (data.test.x * result.execution.divisor).round().astype("uint8")
    wrong = network.labels(whole) != data.test.labels
    return {"error_on_board": 100.0 * float(wrong.mean())}


def _stage(name: str, model: Model, weights: Weights, data: Data) -> dict[str, Any]:
    return {
        "stage": name,
        "bytes_on_disk": len(pack(model, weights)),
        "error": Network(model).error_percent(weights, data.test),
    }
