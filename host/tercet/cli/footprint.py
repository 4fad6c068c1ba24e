# SPDX-License-Identifier: Apache-2.0
"""What the device library takes of Python's heap on each variant of our firmware, by a training on an emulated board."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tercet import resources, targets
from tercet.autodiff.training import training_graph
from tercet.board import virtual
from tercet.board.base import Board
from tercet.errors import BoardError
from tercet.model import initialise, mlp
from tercet.plan import keep, lower
from tercet.plan.dataset_file import PackedData
from tercet.profile.runtime import Rows, row
from tercet.solve.schedule import Compute, Free, PageIn, PageOut, Schedule
from tercet.targets import Target
from tercet.train import job, session

# variant -> where the library then is
VARIANTS = {"default": "files", "stock": "read-only file system", "frozen": "firmware"}
_TARGET = "nrf52840dk"
_DEPLOY_S = 300.0
_DRIVERS = ("/lib/tercet_card.mpy", "/lib/tercet_cipher.mpy")


def library_bytes(say: Callable[[str], None]) -> Rows:
    """Rows {"name","value","unit","provenance"}, one for each variant that has been built: bytes of RAM that library, kernels
    and card driver take where a small perceptron pages and keeps checkpoints.
    """
    rows = []
    for variant, place in VARIANTS.items():
        image = _image(variant)
        if image is None:
            say(f"the {variant} firmware is not built: make -C firmware nrf52840 VARIANT={variant}")
            continue
        say(f"the library in the {place}: {variant} firmware")
        with virtual.temporary(image=image, pace="max") as running:
            if variant == "stock":
                _fill_romfs(running.serial, targets.load(_TARGET))
            rows.append(row(f"library-ram-{variant}", _told(running.serial, variant), "B", "modelled"))
    return rows


def _image(variant: str) -> Path | None:
    if variant == "default":
        return resources.firmware(_TARGET)
    path = resources.CHECKOUT / "build" / "firmware" / f"nrf52840-{variant}" / "firmware.hex"
    return path if path.is_file() else None


def _fill_romfs(serial: str, target: Target) -> None:
    """Puts the library where it takes no RAM for its bytecode, with an unmodified mpremote."""
    with tempfile.TemporaryDirectory(prefix="tercet-rom-") as folder:
        for path, content in session.library_files(target, "mlp"):
            place = Path(folder, path.lstrip("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        command = [sys.executable, "-m", "mpremote", "connect", serial, "romfs", "deploy", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DEPLOY_S, check=False)
    if done.returncode:
        raise BoardError(f"mpremote romfs deploy: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def _told(serial: str, variant: str) -> int:
    """What the board tells when it is ready to train."""
    target = targets.load(_TARGET)
    order = small_job(target)
    with Board(serial) as board:
        if variant == "default":
            session.deploy(board, order, target)
        elif variant == "frozen":
            # operators and library are built in; card driver and cipher are files everywhere
            files = dict(session.library_files(target, "mlp"))
            drivers = {path: content for path, content in files.items() if path in _DRIVERS}
            session.send(board, {**drivers, **order.files})
        else:
            session.send(board, order.files)
        return int(session.run(board, order).last("ready")["library_bytes"])


def small_job(target: Target) -> job.Job:
    """Four layers whose first activation goes to the card and comes back, and checkpoints."""
    model = mlp("small", [6, 8, 8, 8, 3])
    graph = training_graph(model, 5)
    actions = list(keep.keep_all(graph).actions)
    at = actions.index(Compute("dense3"))
    actions[at:at] = [PageOut("dense1"), Free("dense1")]
    actions.insert(actions.index(Compute("dense3.backward_data")), PageIn("dense1"))
    plan = lower.lower(graph, Schedule(tuple(actions)), target=target.name, budget_bytes=0)
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 256, (26, 6)).astype(np.uint8)
    data = PackedData(rows, rng.integers(0, 3, 26), 20, 3, 1 / 255, -0.5)
    return job.make_job(graph, plan, initialise(model, 1), data, target, job.Settings(4, checkpoint_every=2, evaluate=False))
