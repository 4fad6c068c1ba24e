# SPDX-License-Identifier: Apache-2.0
"""A convolutional network under two schedules, and a data set on the card, on the unix port."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import board_process
import numpy as np
import pytest
from small_job import TARGET, keep_all
from tercet.autodiff import reference, training_graph
from tercet.autodiff.graph import Graph
from tercet.board.base import Board
from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import BoardError
from tercet.model import initialise, zoo
from tercet.plan import dataset_file, lower
from tercet.plan.dataset_file import PackedData, batches
from tercet.plan_format import Plan
from tercet.solve import from_graph, solve
from tercet.solve.schedule import Schedule
from tercet.train import job, session
from tercet.train.card import place_files
from test_page_file_run import make, somebodys
from unix_port import last, run, run_job

IMAGE = board_process.FIRMWARE / "nrf52840" / "firmware.hex"
MODEL = zoo.build("lenet-28")
BATCH, STEPS = 8, 3
RAM_BYTES = 160 * 1024


def images() -> PackedData:
    """29 random images of 28 by 28 bytes, five of them held out."""
    rng = np.random.default_rng(8)
    return PackedData(rng.integers(0, 256, (29, 784)).astype(np.uint8), rng.integers(0, 10, 29), 24, 10, 1 / 255, -0.5)


@pytest.fixture(scope="module")
def optimum() -> tuple[Graph, Schedule]:
    """The training graph and the schedule of least energy within the budget: it pages and it recomputes."""
    graph = training_graph(MODEL, BATCH, optimizer={"name": "sgd", "rate": 0.05}, pool_keeps="input")
    # the time of a multiplication on the core and of a block on a card, roughly: the schedule has to be one of two, no more
    ops = {node.signature: OpCost(node.macs * 0.06 + 300, node.macs * 0.5 + 2400) for node in graph.nodes}
    table = CostTable("modelled", ops, PageCost(1000, 600, 50, 8000, 6000), PageCost(800, 420, 50, 6000, 3000))
    found = solve(from_graph(graph, table, ram_bytes=RAM_BYTES), "exact", time_limit_s=60)
    assert found.status == "optimal"
    assert "conv2d1" in found.recomputed
    assert found.paged_in
    return graph, found.schedule


def order_of(graph: Graph, schedule: Schedule) -> tuple[Plan, job.Job]:
    """Plan and job of a few steps by a schedule."""
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=RAM_BYTES)
    return plan, job.make_job(graph, plan, initialise(MODEL, 1), images(), TARGET, job.Settings(STEPS, report_every=1))


def test_weights_are_the_same_to_the_bit_when_the_optimum_pages_and_recomputes(
    tmp_path: Path, optimum: tuple[Graph, Schedule]
) -> None:
    graph, schedule = optimum
    digests = []
    for name, actions in (("all", Schedule(tuple(keep_all(graph)))), ("optimum", schedule)):
        folder = tmp_path / name
        folder.mkdir()
        plan, order = order_of(graph, actions)
        events = run_job(order, folder, operators="cnn")
        assert last(events, "done")["peak_arena_bytes"] == plan.peak_bytes
        digests.append(last(events, "done")["digest"])
    assert plan.peak_bytes <= RAM_BYTES
    assert digests[0] == digests[1]
    told = [entry["loss"] for entry in events if entry["event"] == "step"]
    given = [images().batch(samples) for samples in batches(24, BATCH, 1, STEPS)]
    losses = reference.train(graph, initialise(MODEL, 1), given)[1]
    expected = [loss[0] for loss in np.array(losses).reshape(STEPS, -1)]
    assert np.allclose(told, expected, rtol=1e-4)


@pytest.mark.board
def test_the_optimum_fits_beside_everything_else_on_the_board(tmp_path: Path, optimum: tuple[Graph, Schedule]) -> None:
    """The arena leaves MicroPython, library, kernels and driver 80 KiB of the chip's 256; the bits are those of the PC.

    Its pages lie in a file of a FAT card, whose check takes the most memory of what opening a card needs.
    """
    graph, schedule = optimum
    plan, order = order_of(graph, schedule)
    image = somebodys(wide=True).write(tmp_path / "card.img")
    first, blocks = make(image, tmp_path)["region"]
    started = board_process.start(tmp_path / "state", "--image", IMAGE, "--pace", "max", "--sd", image)
    try:
        with Board(started.serial) as board:
            session.deploy(board, order, TARGET, "cnn")
            told = session.run(board, order)
    finally:
        started.stop()
    done = told.last("done")
    assert first <= told.last("pages")["first_block"] < first + blocks
    assert done["peak_arena_bytes"] == plan.peak_bytes > 155_000
    assert done["bytes_in"] > 0
    assert done["digest"] == last(run_job(order, tmp_path, operators="cnn"), "done")["digest"]


@pytest.mark.board
def test_it_fits_as_well_beside_a_set_on_the_card_with_metered_steps_and_a_rate_that_falls(
    tmp_path: Path, optimum: tuple[Graph, Schedule]
) -> None:
    """What takes the most memory together: as `make lenet` trains, for a few steps."""
    graph, schedule = optimum
    graph = replace(graph, optimizer={**graph.optimizer, "schedule": {"name": "cosine"}})
    plan = lower.lower(graph, schedule, target=TARGET.name, budget_bytes=RAM_BYTES)
    rng = np.random.default_rng(8)
    rows = rng.integers(0, 256, (1000, 784)).astype(np.uint8)
    packed = PackedData(rows, rng.integers(0, 10, 1000), 960, 10, 1 / 255, -0.5)
    order = job.make_job(graph, plan, initialise(MODEL, 1), packed, TARGET, job.Settings(24, metered_steps=20))
    assert order.card_files and len(order.settings["rates"]) == 12
    card = tmp_path / "card.img"
    started = board_process.start(tmp_path / "state", "--image", IMAGE, "--pace", "max", "--sd", card)
    try:
        with Board(started.serial) as board:
            place_files(board, TARGET, order.card_files, str(card), "cnn", room_blocks=order.card_blocks)
            session.deploy(board, order, TARGET, "cnn")
            told = session.run(board, order)
    finally:
        started.stop()
    assert len(told.last("metered")["losses"]) == 20
    assert told.last("done")["steps"] == 24 and told.last("evaluated")["accuracy"] >= 0


@pytest.mark.board
def test_an_arena_that_leaves_no_room_is_told_with_its_cure(virtual_board: Any, optimum: tuple[Graph, Schedule]) -> None:
    plan, order = order_of(*optimum)
    settings = {**order.settings, "arena_bytes": 190_000}
    files = {**order.files, order.path: json.dumps(settings).encode()}
    with Board(virtual_board.serial) as board:
        session.deploy(board, replace(order, files=files, settings=settings), TARGET, "cnn")
        with pytest.raises(BoardError, match="arena of 190000 bytes") as caught:
            session.run(board, replace(order, settings=settings))
    assert "--ram" in caught.value.hint


def test_a_data_set_on_the_card_reads_as_from_a_file(tmp_path: Path) -> None:
    packed = images()
    encoded = dataset_file.encode(packed)
    (tmp_path / "data.tds").write_bytes(encoded)
    (tmp_path / "label").write_bytes(struct.pack("<4sII", b"TDSC", len(encoded), zlib.crc32(encoded)).ljust(512, b"\0"))
    code = f"""
from tercet_device import places, kernels, trace
class Card:
    def __init__(self):
        self.content = {{}}
    def ioctl(self, what, argument):
        return 100000
    def readblocks(self, block, buffer):
        assert len(buffer) % 512 == 0
        for i in range(len(buffer) // 512):
            buffer[512 * i : 512 * i + 512] = self.content.get(block + i, bytes(512))
    def writeblocks(self, block, buffer):
        for i in range(len(buffer) // 512):
            self.content[block + i] = bytes(buffer[512 * i : 512 * i + 512])
card, place = Card(), [{len(encoded)}, {zlib.crc32(encoded)}]
trace.emit("empty", found=places.card_data(card, place) is not None)
first, count = places.card_region(card, {job.DATA_BLOCK} + 200)
with open({str(tmp_path / "data.tds")!r}, "rb") as stream:
    content = stream.read()
card.writeblocks(first + {job.DATA_BLOCK} + 1, content + bytes(-len(content) % 512))
trace.emit("unlabelled", found=places.card_data(card, place) is not None)
with open({str(tmp_path / "label")!r}, "rb") as stream:
    card.writeblocks(first + {job.DATA_BLOCK}, stream.read())
trace.emit("another", found=places.card_data(card, [place[0], place[1] ^ 1]) is not None)
sets = places.open_data({str(tmp_path / "data.tds")!r}, None), places.open_data(place, card)
same = 0
for sample in list(range(29)) + [28, 0, 17, 3]:
    rows = [bytearray(784 * 4), bytearray(784 * 4)]
    labels = [bytearray(2), bytearray(2)]
    for i in range(2):
        sets[i].read_rows(rows[i], 0, [sample], kernels)
        sets[i].read_labels(labels[i], 0, [sample], 2)
    same += rows[0] == rows[1] and labels[0] == labels[1] and any(rows[0])
trace.emit("compared", same=same, count=sets[1].count)
"""
    events = run(code, tmp_path)
    assert [last(events, kind)["found"] for kind in ("empty", "unlabelled", "another")] == [False, False, False]
    assert last(events, "compared") == {"event": "compared", "same": 33, "count": 29}
