# SPDX-License-Identifier: Apache-2.0
"""What lies on a card that was taken out: nothing that can be read, exchanged or changed unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from unix_port import last, run

PAGES = """
import tercet_kernels as kernels
from tercet_device import trace
from tercet_device.pager import Pager
from tercet_device.file_store import FileStore
from tercet_device.errors import DeviceError
store = FileStore({path!r}, 600)
pager = Pager(store, kernels, 4, {encrypted})
memory = bytearray(160 * 1024)
for i in range(len(memory)):
    memory[i] = i // 1024 & 3
kept = bytes(memory)
pager.page_out(memory, 1, 0, 0, 131000, 140000)
pager.page_out(memory, 2, 256, 0, 4096, 140000)
def opens(index=1, block=0, nbytes=131000):
    try:
        pager.page_in(memory, index, block, 0, nbytes, 140000)
    except DeviceError as error:
        assert error.kind == "page"
        return False
    assert memory[:nbytes] == kept[:nbytes]
    return True
"""


def pages(folder: Path, name: str, code: str = "", encrypted: bool = True) -> bytes:
    """What the store holds after two pages were written and `code` ran."""
    path = folder / name
    run(PAGES.format(path=str(path), encrypted=encrypted) + code, folder)
    return path.read_bytes()


def chi_square(data: bytes) -> float:
    """Of the histogram of bytes against an even one: 255 degrees of freedom."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    expected = len(data) / 256
    return float(((counts - expected) ** 2 / expected).sum())


def test_a_reader_of_the_card_sees_noise(tmp_path: Path) -> None:
    sealed = pages(tmp_path, "sealed")
    assert len(sealed) >= 131072
    # an even source exceeds 400 once in 10^8
    assert chi_square(sealed) < 400
    plain = pages(tmp_path, "plain", encrypted=False)
    assert chi_square(plain) > 1e6


def test_two_runs_with_equal_data_share_no_block(tmp_path: Path) -> None:
    blocks = [pages(tmp_path, name) for name in "ab"]
    sets = [{data[at : at + 512] for at in range(0, len(data), 512)} for data in blocks]
    assert not sets[0] & sets[1]
    assert len(sets[0]) == len(blocks[0]) // 512


def test_a_page_that_is_written_again_is_sealed_anew(tmp_path: Path) -> None:
    code = """
first = bytearray(512)
store.read(0, first)
pager.page_out(memory, 1, 0, 0, 131000, 140000)
second = bytearray(512)
store.read(0, second)
trace.emit("seen", equal=first == second)
"""
    path = tmp_path / "again"
    assert last(run(PAGES.format(path=str(path), encrypted=True) + code, tmp_path), "seen")["equal"] is False


@pytest.mark.parametrize("seed", [1, 2])
def test_a_changed_exchanged_or_older_page_is_refused(tmp_path: Path, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 8 * 131072, 40).tolist()
    code = f"""
assert opens() and opens(2, 256, 4096)
block = bytearray(512)
for bit in {bits!r}:
    at, byte = bit // 4096, bit // 8 % 512
    store.read(at, block)
    block[byte] ^= 1 << bit % 8
    store.write(at, block)
    assert not opens(), bit
    block[byte] ^= 1 << bit % 8
    store.write(at, block)
assert opens()
older = bytearray(4096)
store.read(256, older)
pager.page_out(kept, 2, 256, 0, 4096, 140000)
newer = bytearray(4096)
store.read(256, newer)
store.write(256, older)
assert not opens(2, 256, 4096)
store.write(256, newer)
assert opens(2, 256, 4096)
store.write(0, newer)
assert not opens()
trace.emit("all", refused=True)
"""
    assert last(run(PAGES.format(path=str(tmp_path / "p"), encrypted=True) + code, tmp_path), "all")["refused"]
