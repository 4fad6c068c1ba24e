# SPDX-License-Identifier: Apache-2.0
"""A compressed network on a board: its labels, and its cycles and energy beside those of the dense network in 8 bits.

Cycles are counted by the core's own counter, energy by the meter in marked regions; both of the kernels alone: each layer repeats
inside one call, and the calls themselves are subtracted or spread over the repeats. The dense weights do not fit the RAM, so the
dense kernel runs over a tile of rows again and again: its time does not depend on the values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tercet import resources, targets
from tercet.board import sync
from tercet.board.base import Board
from tercet.board.bench import Bench
from tercet.errors import BoardError, InputError, MeterError
from tercet.meter.base import open_meter
from tercet.profile.region import measure_code

CHUNK = 50  # samples on the board at once
REPEATS = 32
TIMED_SAMPLES = 8
_LIBRARY = ("__init__", "errors", "unpack", "classify", "timing")
_COUNTER = """
from machine import mem32
mem32[0xE000EDFC] |= 1 << 24  # the trace unit on, then its cycle counter
mem32[0xE0001000] |= 1
def cycles():
    return mem32[0xE0001004] & 0x3FFFFFFF
"""


@dataclass(frozen=True)
class Subject:
    """What is run: compressed files by format (`csc`, `delta`), test samples u8 `[n, inputs]`, labels, layer shapes."""

    files: dict[str, bytes]
    samples: np.ndarray
    labels: np.ndarray
    shapes: tuple[tuple[int, int], ...]


def deploy(board: Board, architecture: str, files: dict[str, bytes]) -> None:
    """The classifier, its native module and `files` onto the board."""
    library = resources.device_library()
    wanted = {f"/lib/tercet_device/{name}.py": (library / f"{name}.py").read_bytes() for name in _LIBRARY}
    wanted["/lib/tercet_packed.mpy"] = resources.packed_kernels(architecture).read_bytes()
    sync.sync(board, wanted | files)
    board.soft_reset()


def labels(board: Board, file: str, samples: np.ndarray, say: Callable[[str], None] = lambda _: None) -> np.ndarray:
    """The board's labels of u8 samples `[n, inputs]`, sent in chunks."""
    board.exec(
        f"import gc\nfrom tercet_device.classify import Classifier\nnet = Classifier(open({file!r}, 'rb').read())\ngc.collect()"
    )
    found: list[int] = []
    for at in range(0, len(samples), CHUNK):
        part = np.ascontiguousarray(samples[at : at + CHUNK], np.uint8)
        sync.put_buffer(board, "samples", part.tobytes())
        found += map(int, board.exec("print(*[net.label(samples, at) for at in range(0, len(samples), net.inputs)])").split())
        board.exec("samples = None\ngc.collect()")
        say(f"{len(found)} of {len(samples)} samples classified")
    return np.array(found)


def _setup(kind: str, subject: Subject) -> str:
    """The program that makes `jobs(number, repeats)`: the layers of one inference, `number` chooses the sample."""
    if kind == "dense":
        return f"from tercet_device.timing import Dense, run\nwork = Dense({list(subject.shapes)})\n"
    return f"from tercet_device.timing import Sparse, run\nwork = Sparse('/{kind}.trz', samples)\n"


def _cycles(board: Board, kind: str, subject: Subject) -> float:
    """Cycles of one inference, the mean over some samples: the difference of many repeats and one."""
    code = (
        _COUNTER
        + _setup(kind, subject)
        + f"""
for number in range({TIMED_SAMPLES}):
    spent = []
    for repeats in (1, {REPEATS + 1}):
        jobs = work.jobs(number, repeats)
        run(jobs)
        begun = cycles()
        run(jobs)
        spent.append((cycles() - begun) & 0x3FFFFFFF)
    print((spent[1] - spent[0]) / {REPEATS})
"""
    )
    return float(np.mean([float(line) for line in board.exec(code).split()]))


def _energy(board: Board, meter: Any, target: Any, kind: str, subject: Subject) -> float:
    """Net joules of one inference, the mean over some samples."""
    setup = _setup(kind, subject) + f"ready = [work.jobs(number, {REPEATS}) for number in range({TIMED_SAMPLES})]"
    metered = measure_code(board, meter, target, "run(ready[i])", setup=setup, regions=TIMED_SAMPLES)
    if not metered.measurement.valid:
        raise MeterError(f"the measurement is INVALID: {'; '.join(metered.measurement.causes)}")
    return float(np.mean(metered.net_j())) / REPEATS


def run(bench: Bench, subject: Subject, *, say: Callable[[str], None], prefix: str = "") -> list[dict[str, Any]]:
    """Rows `{"name","value","unit","provenance"}`: labels that agree, cycles and energies, and the ratios to the dense network.

    `prefix` goes before each name. Raises BoardError when a label differs from the host's.
    """
    target = targets.load(bench.target)
    meter = open_meter(bench.meter, region_pin=bench.pins.region) if bench.meter else None
    provenance = meter.capabilities.provenance if meter else "modelled"
    cycles, joules, same = {}, {}, 0
    with Board(bench.serial) as board:
        deploy(board, target.mpy_arch, {f"/{kind}.trz": data for kind, data in subject.files.items()})
        for kind in subject.files:
            found = labels(board, f"/{kind}.trz", subject.samples, say)
            same = int((found == subject.labels).sum())
            if same != len(found):
                raise BoardError(f"{kind}: {len(found) - same} of {len(found)} labels differ from the host's")
        board.soft_reset()
        for kind in ("dense", *subject.files):
            say(f"timing the {kind} network")
            board.soft_reset()
            sync.put_buffer(board, "samples", subject.samples[:TIMED_SAMPLES].tobytes())
            cycles[kind] = _cycles(board, kind, subject)
            if meter:
                board.soft_reset()
                sync.put_buffer(board, "samples", subject.samples[:TIMED_SAMPLES].tobytes())
                joules[kind] = _energy(board, meter, target, kind, subject)
    if meter:
        meter.close()
    return [row | {"name": prefix + row["name"]} for row in _rows(cycles, joules, same, provenance)]


def _rows(cycles: dict[str, float], joules: dict[str, float], same: int, provenance: str) -> list[dict[str, Any]]:
    def row(name: str, value: float, unit: str) -> dict[str, Any]:
        return {"name": name, "value": value, "unit": unit, "provenance": provenance}

    rows = [row("labels-equal", same, "samples")]
    rows += [row(f"inference-cycles-{kind}", round(value), "cycles") for kind, value in cycles.items()]
    rows += [row(f"inference-energy-{kind}", value * 1e6, "uJ") for kind, value in joules.items()]
    for kind, name in (("delta", "sparse"), ("csc", "csc")):
        if kind in cycles:
            rows.append(row(f"{name}-speedup", cycles["dense"] / cycles[kind], "x"))
    if joules:
        rows.append(row("sparse-energy-gain", joules["dense"] / min(v for k, v in joules.items() if k != "dense"), "x"))
    return rows


def subject_of(folder: Path) -> Subject:
    """The subject that the compression table left in `folder`: `csc.trz`, `delta.trz` and `samples.npz`.

    Raises InputError when there is none.
    """
    if not (folder / "samples.npz").is_file():
        raise InputError(f"{folder}: holds no compressed network", hint="run `tercet bench compress` first")
    with np.load(folder / "samples.npz") as archive:
        samples, found, shapes = archive["samples"], archive["labels"], archive["shapes"]
    files = {kind: (folder / f"{kind}.trz").read_bytes() for kind in ("csc", "delta")}
    return Subject(files, samples, found, tuple((int(rows), int(columns)) for rows, columns in shapes))
