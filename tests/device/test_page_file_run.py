# SPDX-License-Identifier: Apache-2.0
"""A training with pages, checkpoints and data set in a file of somebody's FAT card: the rest of the card stays as it was."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from fat_image import OPEN_IMAGE, FatCard, File
from small_job import job
from tercet.train.job import DATA_BLOCK, Settings, card_crc
from unix_port import last, prepare_job, run, run_job

SETTINGS = Settings(steps=12, report_every=4, checkpoint_every=3)
MAKE = """
from tercet_device import page_file, places, trace
from tercet_device.errors import DeviceError
card = Image({path!r})
try:
    trace.emit("made", region=page_file.make(card, {nbytes}, {force}), again=places.card_region(card))
except DeviceError as error:
    trace.emit("made", kind=error.kind, text=error.text)
"""
TRAIN = """
from tercet_device import places
card = Image({path!r})
places.open_card = lambda settings: card
from tercet_device import loop, trace
trace.emit("ended", how=loop.main({job!r}, {resume}, {pause}))
"""


def somebodys(wide: bool) -> FatCard:
    """A card of some 40 MB with two files in it, in pieces all over it."""
    rng = random.Random(4)
    letter, photo = rng.randbytes(3 * 2048 - 7), rng.randbytes(400 * 2048)
    places = list(range(1500, 1700)) + list(range(3000, 3200))
    per_cluster = 1 if wide else 4
    clusters = 81_000 if wide else 20_000
    factor = 4 // per_cluster
    spread = [cluster * factor + i for cluster in places for i in range(factor)]
    first = [cluster * factor + i for cluster in (40, 12, 90) for i in range(factor)]
    files = {"LETTER.TXT": File(first, letter), "PHOTO.JPG": File(spread, photo)}
    return FatCard(wide, clusters, per_cluster, 2048 if wide else 0, files)


def make(path: Path, folder: Path, nbytes: int = 4 << 20, force: bool = False) -> dict[str, Any]:
    """What became of the page file."""
    return last(run(OPEN_IMAGE + MAKE.format(path=str(path), nbytes=nbytes, force=force), folder), "made")


@pytest.mark.parametrize("wide", [False, True], ids=["fat16", "fat32"])
def test_the_file_is_made_in_one_piece_between_other_files(tmp_path: Path, wide: bool) -> None:
    card = somebodys(wide)
    image = card.write(tmp_path / "card.img")
    first, blocks = make(image, tmp_path)["region"]
    assert blocks == 32768
    assert first > card.block(card.files["PHOTO.JPG"].clusters[-1])
    assert make(image, tmp_path) == {"event": "made", "region": [first, blocks], "again": [first, blocks]}
    code = f"""{OPEN_IMAGE}
import vfs
from tercet_device import trace
volume = vfs.VfsFat(Image({str(image)!r}))
sizes = {{entry[0]: entry[3] for entry in volume.ilistdir("/")}}
files = {{}}
for name in ("LETTER.TXT", "PHOTO.JPG"):
    with volume.open(name, "rb") as source, open({str(tmp_path)!r} + "/" + name, "wb") as sink:
        sink.write(source.read())
trace.emit("seen", sizes=sizes)
"""
    sizes = last(run(code, tmp_path), "seen")["sizes"]
    assert sizes == {"LETTER.TXT": 3 * 2048 - 7, "PHOTO.JPG": 400 * 2048, "TERCET.PAG": blocks * 512}
    for name, file in card.files.items():
        assert (tmp_path / name).read_bytes() == file.content


def test_a_file_that_does_not_do_is_replaced_with_force_only(tmp_path: Path) -> None:
    card = somebodys(False)
    card.files["TERCET.PAG"] = File([*range(200, 300), *range(400, 500)], nbytes=200 * 2048)
    image = card.write(tmp_path / "card.img")
    before = image.read_bytes()
    assert "fragmented" in make(image, tmp_path)["text"]
    assert image.read_bytes() == before
    first, blocks = make(image, tmp_path, force=True)["region"]
    answer = make(image, tmp_path, nbytes=20 << 20)
    assert answer["kind"] == "card_file" and f"has {blocks} blocks" in answer["text"]
    assert make(image, tmp_path, nbytes=20 << 20, force=True)["kind"] == "card_full"
    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(4 << 20))
    assert "no FAT16 or FAT32" in make(empty, tmp_path)["text"]
    assert not any(empty.read_bytes())


@pytest.mark.parametrize("wide", [False, True], ids=["fat16", "fat32"])
def test_a_training_leaves_all_other_sectors_alone(tmp_path: Path, wide: bool) -> None:
    image = somebodys(wide).write(tmp_path / "card.img")
    first, blocks = make(image, tmp_path)["region"]
    order = job("frugal", {"name": "momentum", "rate": 0.1}, settings=SETTINGS)[2]
    encoded = order.files["/tercet/data.tds"]
    label = struct.pack("<4sII", b"TDSC", len(encoded), card_crc(encoded)).ljust(512, b"\0")
    with image.open("r+b") as stream:
        stream.seek((first + DATA_BLOCK) * 512)
        stream.write(label + encoded)
    before = image.read_bytes()
    path = prepare_job(order, tmp_path, card={}, store={"kind": "card"}, data=[len(encoded), card_crc(encoded)])
    settings = json.loads(path.read_text())
    settings["checkpoint"]["path"] = None
    path.write_text(json.dumps(settings | {"card": {"kind": "card"}}))
    parts = [{"resume": False, "pause": "lambda step: step == 7"}, {"resume": True, "pause": None}]
    stories = [run(OPEN_IMAGE + TRAIN.format(path=str(image), job=str(path), **part), tmp_path) for part in parts]
    assert [last(story, "ended")["how"] for story in stories] == ["paused", "done"]
    assert last(stories[1], "resumed")["step"] == 7
    after = image.read_bytes()
    begin, end = first * 512, (first + blocks) * 512
    assert after[:begin] == before[:begin] and after[end:] == before[end:]
    assert after[begin:end] != before[begin:end]
    pages = last(stories[1], "pages")
    assert first <= pages["first_block"] and pages["first_block"] + pages["blocks"] <= first + blocks
    (tmp_path / "plain").mkdir()
    assert last(stories[1], "done")["digest"] == last(run_job(order, tmp_path / "plain"), "done")["digest"]
