# SPDX-License-Identifier: Apache-2.0
"""The same job on three machines by different authors gives the same bits: unix port (x64), QEMU, virtual board; and frozen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import board_process
import numpy as np
import pytest
import qemu_port
import unix_port
from board_process import VirtualBoard
from tercet import targets
from tercet.autodiff import training_graph
from tercet.model import initialise, mlp
from tercet.plan import lower
from tercet.plan.dataset_file import PackedData
from tercet.solve.schedule import Action, Compute, Free, PageIn, PageOut, Recompute, Schedule, Update
from tercet.train.job import Job, Settings, make_job

TARGET = targets.load("nrf52840dk")
STEPS = 20


def _actions(graph: Any) -> list[Action]:
    """Keeps everything but `dense1`, which goes to the card, and `dense2`, which is made again."""
    actions: list[Action] = []
    for node in graph.nodes:
        if node.name == "dense3":
            actions += [PageOut("dense1"), Free("dense1"), Compute("dense3"), Free("dense2")]
            continue
        if node.name == "dense3.update":
            actions += [PageIn("dense1"), Recompute("dense2")]
        actions.append(Update(node.name) if node.mutates else Compute(node.name))
    return actions


@pytest.fixture(scope="module")
def job() -> Job:
    """Twenty steps of a 12-16-16-16-4 network on 60 samples, with paging and recomputation."""
    model = mlp("m", [12, 16, 16, 16, 4])
    graph = training_graph(model, 8, optimizer={"name": "momentum", "rate": 0.1})
    # in clear: not every machine has a generator of random keys
    schedule = Schedule(tuple(_actions(graph)))
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=32768, encrypted=False)
    rng = np.random.default_rng(5)
    packed = PackedData(rng.integers(0, 256, (60, 12)).astype(np.uint8), rng.integers(0, 4, 60), 48, 4, 1 / 255, -0.5)
    settings = Settings(steps=STEPS, metered_steps=4, report_every=5, baseline_ms=1)
    return make_job(graph, plan, initialise(model, 1), packed, TARGET, settings)


@pytest.fixture(scope="module")
def by_unix_port(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """Digest of the weights and the file of weights that the unix port makes."""
    folder = tmp_path_factory.mktemp("unix")
    done = unix_port.last(unix_port.run_job(job, folder), "done")
    assert done["bytes_in"] > 0
    return done["digest"], (folder / "trained.bin").read_bytes()


def test_qemu(job: Job, by_unix_port: tuple[str, bytes]) -> None:
    events, trained = qemu_port.run_job(job)
    assert (unix_port.last(events, "done")["digest"], trained) == by_unix_port


def _run_on(board: VirtualBoard, job: Job, folder: Path) -> tuple[str, bytes]:
    """Digest and file of the weights that a board with library and kernels makes."""
    for path, data in job.files.items():
        (folder / Path(path).name).write_bytes(data)
    settings = {**job.settings, "store": {"kind": "file", "path": "/pages"}}
    (folder / "job.json").write_text(json.dumps(settings))
    files = [folder / Path(path).name for path in job.files]
    board.mpremote("fs", "mkdir", "tercet", "+", "fs", "cp", *files, folder / "job.json", ":tercet/")
    told = board.mpremote("exec", "from tercet_device import loop; loop.main('/tercet/job.json')", timeout_s=120)
    events = [json.loads(line[8:]) for line in told.splitlines() if line.startswith("@tercet ")]
    board.mpremote("fs", "cp", f":{settings['result']}", folder / "trained.bin")
    return unix_port.last(events, "done")["digest"], (folder / "trained.bin").read_bytes()


def _free_after_import(board: VirtualBoard) -> int:
    code = "import gc; from tercet_device import loop; gc.collect(); print(gc.mem_free())"
    return int(board.mpremote("soft-reset", "exec", code))


@pytest.fixture(scope="module")
def loaded_board(virtual_board: VirtualBoard) -> VirtualBoard:
    """The board with library and kernels in its flash."""
    if not qemu_port.KERNELS.exists():
        pytest.skip(f"{qemu_port.KERNELS} is not built: make kernels")
    library = sorted((board_process.ROOT / "device_lib" / "tercet_device").glob("*.py"))
    virtual_board.mpremote("fs", "mkdir", "tercet_device", "+", "fs", "cp", *library, ":tercet_device/")
    virtual_board.mpremote("fs", "cp", qemu_port.KERNELS, ":")
    return virtual_board


def test_virtual_board(job: Job, by_unix_port: tuple[str, bytes], loaded_board: VirtualBoard, tmp_path: Path) -> None:
    assert _run_on(loaded_board, job, tmp_path) == by_unix_port


def test_frozen_variant_needs_no_files_and_leaves_more_ram(
    job: Job, by_unix_port: tuple[str, bytes], loaded_board: VirtualBoard, tmp_path: Path
) -> None:
    subprocess.run(["make", "-s", "-C", board_process.ROOT / "firmware", "nrf52840", "VARIANT=frozen"], check=True)
    image = board_process.FIRMWARE / "nrf52840-frozen" / "firmware.hex"
    board = board_process.start(tmp_path / "board", "--image", image, "--pace", "max")
    try:
        assert _run_on(board, job, tmp_path) == by_unix_port
        assert _free_after_import(board) > _free_after_import(loaded_board) + 20_000
    finally:
        board.stop()
