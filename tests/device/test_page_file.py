# SPDX-License-Identifier: Apache-2.0
"""Pages in a file of a FAT card: it is taken only when its chain proves that its blocks are its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from fat_image import OPEN_IMAGE, FatCard, File, pages
from unix_port import last, run

FIND = """
from tercet_device import places, trace
from tercet_device.errors import DeviceError
card = Image({path!r})
try:
    trace.emit("found", region=places.card_region(card))
except DeviceError as error:
    trace.emit("found", region=None, kind=error.kind, text=error.text)
"""
LETTER = bytes(range(256)) * 7
CARDS = {
    "fat16": FatCard(False, 9000, 2), "fat16-whole": FatCard(False, 9000, 2, first=0),
    "fat32": FatCard(True, 66000, 1), "fat32-whole": FatCard(True, 66000, 1, first=0),
}  # fmt: skip


def found(card: FatCard, folder: Path, files: dict[str, File]) -> dict[str, object]:
    """What the board finds on a card with these files."""
    card.files = files
    return last(run(OPEN_IMAGE + FIND.format(path=str(card.write(folder / "card.img"))), folder), "found")


@pytest.mark.parametrize("name", CARDS)
def test_a_contiguous_file_is_found_where_the_firmwares_own_driver_finds_it(tmp_path: Path, name: str) -> None:
    card = CARDS[name]
    cluster_bytes = card.per_cluster * 512
    page_file = pages(700, 4000, cluster_bytes)
    page_file.content = b"first".ljust(cluster_bytes * 3999, b"\0") + b"last"
    card.files = {"LETTER.TXT": File([5, 9, 6, 20], LETTER), "TERCET.PAG": page_file}
    code = f"""{OPEN_IMAGE}{FIND.format(path=str(card.write(tmp_path / "card.img")))}
import vfs
volume = vfs.VfsFat(card)
with volume.open("TERCET.PAG", "rb") as stream:
    head = stream.read(5)
    stream.seek(3999 * {cluster_bytes})
    tail = stream.read(4)
with volume.open("LETTER.TXT", "rb") as stream:
    letter = stream.read()
block = bytearray(512)
card.readblocks(places.card_region(card)[0] + 3999 * {card.per_cluster}, block)
trace.emit("read", head=head, tail=tail, letter=letter == {LETTER!r}, last=bytes(block[:4]))
"""
    events = run(code, tmp_path)
    assert last(events, "found")["region"] == [card.block(700), 4000 * card.per_cluster]
    assert last(events, "read") == {"event": "read", "head": "first", "tail": "last", "letter": True, "last": "last"}


@pytest.mark.parametrize("wide", [False, True], ids=["fat16", "fat32"])
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (File([*range(40, 200), *range(300, 400)], nbytes=260 * 512), "is fragmented"),
        (File(list(range(40, 300)), nbytes=300 * 512, end=100), "runs in a circle"),
        (File(list(range(40, 300)), nbytes=300 * 512), "is shorter than its size"),
        (File(list(range(40, 300)), nbytes=259 * 512), "does not end where its size says"),
        (File(list(range(40, 300)), nbytes=300 * 512, end=0), "runs into a free cluster"),
        (File(list(range(40, 300)), nbytes=300 * 512, end=0x0FFFFFF7), "runs into a bad cluster"),
        (File(list(range(40, 300)), nbytes=300 * 512, end=0x0FFFFF00), "leaves the volume's data area"),
        (File(list(range(40, 300)), nbytes=1 << 31), "leaves the volume's data area"),
        (File(list(range(40, 300)), nbytes=260 * 512, end=0), "does not end where its size says"),
        (File([], nbytes=4096), "leaves the volume's data area"),
        (File([], nbytes=0), "is empty"),
        (File([40], attributes=0x10), "is a folder"),
    ],
)
def test_a_file_that_is_not_whole_or_in_one_piece_is_refused(tmp_path: Path, wide: bool, wrong: File, text: str) -> None:
    card = FatCard(wide, 66000 if wide else 9000)
    answer = found(card, tmp_path, {"LETTER.TXT": File([5], b"x"), "TERCET.PAG": wrong})
    assert answer["kind"] == "card_file"
    assert text in str(answer["text"])


def test_other_filesystems_and_other_cards(tmp_path: Path) -> None:
    small = FatCard(False, 4000)
    assert "FAT12" in str(found(small, tmp_path, {"TERCET.PAG": pages(40, 100)})["text"])
    beyond = FatCard(False, 9000, files={"TERCET.PAG": pages(40, 100)})
    image = beyond.write(tmp_path / "card.img")
    with image.open("r+b") as stream:
        stream.truncate(4 * 1024 * 1024)
    code = OPEN_IMAGE + FIND.format(path=str(image))
    assert "larger than the card" in last(run(code, tmp_path), "found")["text"]
    for head, answer in ((b"\xeb\x76\x90EXFAT   ", "exFAT"), (b"\xeb\x52\x90NTFS    ", None), (b"", None)):
        # the program in block 0 looks like a partition of pages
        fake = bytearray(head.ljust(510, b"\0") + b"\x55\xaa")
        if head:
            fake[450:462] = b"\xda\xfe\xff\xff\0\x08\0\0\0\x80\0\0"
        image.write_bytes(bytes(fake) + bytes(4 * 1024 * 1024 - 512))
        seen = last(run(code, tmp_path), "found")
        assert seen["region"] is None
        assert answer is None or answer in seen["text"]
    assert found(FatCard(True, 66000), tmp_path, {"OTHER.PAG": pages(40, 100)})["region"] is None
