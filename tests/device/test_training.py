# SPDX-License-Identifier: Apache-2.0
"""The device library trains by a schedule on the unix port: same weights for every schedule, damage refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_job import BATCH, MODEL, job
from tercet import plan_format
from tercet.autodiff import reference
from tercet.model import initialise
from tercet.plan import weights_file
from tercet.plan.dataset_file import batches
from tercet.train.job import Job
from unix_port import last, run, run_job


@pytest.mark.parametrize("optimizer", [{"name": "sgd", "rate": 0.2}, {"name": "momentum", "rate": 0.1}], ids=["sgd", "momentum"])
def test_every_schedule_gives_the_same_weights(optimizer: dict[str, object], tmp_path: Path) -> None:
    digests = []
    for kind in ("keep_all", "frugal"):
        folder = tmp_path / kind
        folder.mkdir()
        graph, plan, work, packed = job(kind, optimizer)
        events = run_job(work, folder)
        done = last(events, "done")
        assert done["peak_arena_bytes"] == plan.peak_bytes
        digests.append(done["digest"])
        page_bytes = graph.tensors["dense1"].nbytes * (12 if kind == "frugal" else 0)
        assert done["bytes_in"] == page_bytes
        trained = weights_file.decode((folder / "trained.bin").read_bytes(), graph, plan.graph_id)
        order = [packed.batch(samples) for samples in batches(packed.training, BATCH, 1, 12)]
        expected, losses = reference.train(graph, initialise(MODEL, 1), order)
        for name, value in trained.items():
            assert np.linalg.norm(value - expected[name]) <= 1e-4 * np.linalg.norm(expected[name]), name
        told = last(events, "metered")["losses"]
        assert np.allclose(told, np.array(losses[:4]).reshape(4, -1)[:, 0] / (BATCH if losses[0] > 4 else 1), rtol=1e-4)
    assert digests[0] == digests[1]
    frugal_peak, whole_peak = (job(kind, optimizer)[1].peak_bytes for kind in ("frugal", "keep_all"))
    assert frugal_peak != whole_peak


def test_accuracy_on_the_board_is_the_references(tmp_path: Path) -> None:
    graph, plan, work, packed = job("keep_all", {"name": "sgd", "rate": 0.2})
    told = last(run_job(work, tmp_path), "evaluated")
    trained = weights_file.decode((tmp_path / "trained.bin").read_bytes(), graph, plan.graph_id)
    inputs, labels = packed.batch(np.arange(packed.training, len(packed.rows)))
    value = inputs
    for layer in range(1, 5):
        value = value @ trained[f"dense{layer}.w"].T + trained[f"dense{layer}.b"]
        value = np.maximum(value, 0) if layer < 4 else value
    probability = np.exp(value - value.max(1, keepdims=True))
    probability /= probability.sum(1, keepdims=True)
    assert told["accuracy"] == pytest.approx((value.argmax(1) == labels).mean(), abs=1e-6)
    assert told["loss"] == pytest.approx(-np.log(probability[np.arange(len(labels)), labels]).mean(), rel=1e-4)


def damaged(work: Job, name: str, change: object) -> Job:
    path = f"/tercet/{name}"
    return Job({**work.files, path: change(work.files[path])}, work.settings)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "change", "kind", "text"),
    [
        ("plan.bin", lambda b: b[:-9], "plan", "truncated"),
        ("plan.bin", lambda b: b[:90] + bytes([b[90] ^ 4]) + b[91:], "plan", "bit was flipped"),
        ("plan.bin", lambda b: b"", "plan", "not a plan"),
        ("weights.bin", lambda b: b[:4] + b"another!" + b[12:], "weights", "another model"),
        ("weights.bin", lambda b: b[:40] + bytes([b[40] ^ 1]) + b[41:], "weights", "damaged"),
        ("weights.bin", lambda b: b[:100], "weights", "truncated"),
        ("data.tds", lambda b: b[:-3], "data", "truncated"),
        ("data.tds", lambda b: b"nonsense", "data", "not a packed data set"),
    ],
)
def test_damaged_files_are_refused(name: str, change: object, kind: str, text: str, tmp_path: Path) -> None:
    work = damaged(job("keep_all", {"name": "sgd"})[2], name, change)
    error = last(run_job(work, tmp_path), "error")
    assert error["kind"] == kind
    assert text in error["text"]


def test_a_plan_for_another_board_is_refused(tmp_path: Path) -> None:
    work = job("keep_all", {"name": "sgd"})[2]
    error = last(run_job(work, tmp_path, board_id=plan_format.board_id("another")), "error")
    assert (error["kind"], "another board" in error["text"]) == ("plan", True)


def test_a_plan_that_pages_needs_a_card(tmp_path: Path) -> None:
    error = last(run_job(job("frugal", {"name": "sgd"})[2], tmp_path, store=None), "error")
    assert error["kind"] == "card_missing"


def test_a_page_that_changed_on_the_card_ends_the_step(tmp_path: Path) -> None:
    work = job("frugal", {"name": "sgd"})[2]
    for path, content in work.files.items():
        (tmp_path / Path(path).name).write_bytes(content)
    settings = {**work.settings, "markers": None, "store": {"kind": "file", "path": str(tmp_path / "pages")}}
    for name in ("plan", "weights", "data", "result"):
        settings[name] = str(tmp_path / Path(settings[name]).name)
    (tmp_path / "job.json").write_text(json.dumps(settings))
    code = f"""
from tercet_device import file_store, loop
read, count = file_store.FileStore.read, [0]
def damaging(self, block, data):
    read(self, block, data)
    count[0] += 1
    if count[0] > {{first}}:
        data[7] ^= 16
file_store.FileStore.read = damaging
loop.main({str(tmp_path / "job.json")!r})
"""
    error = last(run(code.format(first=2), tmp_path), "error")
    assert error["kind"] == "page"
    assert "fails its check" in error["text"]


def test_a_page_that_is_damaged_once_is_read_again(tmp_path: Path) -> None:
    graph, plan, work, _ = job("frugal", {"name": "sgd"})
    clean = last(run_job(work, tmp_path), "done")
    code = f"""
from tercet_device import file_store, loop
read, count = file_store.FileStore.read, [0]
def damaging(self, block, data):
    read(self, block, data)
    count[0] += 1
    if count[0] == 3:
        data[7] ^= 16
file_store.FileStore.read = damaging
loop.main({str(tmp_path / "job.json")!r})
"""
    done = last(run(code, tmp_path), "done")
    assert done["retries"] == 1
    assert done["digest"] == clean["digest"]
