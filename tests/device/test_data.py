# SPDX-License-Identifier: Apache-2.0
"""Samples on the board: what a card forgot is read again, and refused when it stays wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_job import data
from tercet.plan.dataset_file import PackedData, encode
from unix_port import last, run

CODE = """
from tercet_device import kernels, trace
from tercet_device.data import DataSet
from tercet_device.errors import DeviceError
class Forgetful:
    def __init__(self, path, times):
        self._file, self._left, self._at = open(path, "rb"), times, 0
        self.forgotten = 0
    def seek(self, *place):
        return self._file.seek(*place)
    def read(self, count):
        return self._file.read(count)
    def readinto(self, buffer):
        count = self._file.readinto(buffer)
        if self._left:
            self._left -= 1
            buffer[{byte}] ^= 8
        return count
    def forget(self):
        self.forgotten += 1
stream = Forgetful({path!r}, {times})
data = DataSet("test", stream)
rows, labels = bytearray(24), bytearray(2)
try:
    data.read_{what}
    trace.emit("read", rows=list(rows), labels=list(labels), retries=data.retries, forgotten=stream.forgotten)
except DeviceError as error:
    trace.emit("refused", kind=error.kind, text=error.text)
"""
ROWS, LABELS = "rows(rows, 0, [7], kernels)", "labels(labels, 0, [7], 2)"


@pytest.mark.parametrize("what", [ROWS, LABELS], ids=["row", "label"])
@pytest.mark.parametrize("byte", [0, 1, -1])
def test_a_bit_that_was_wrong_once_is_read_again(what: str, byte: int, tmp_path: Path) -> None:
    packed = data()
    (tmp_path / "data.tds").write_bytes(encode(packed))
    given = {"path": str(tmp_path / "data.tds"), "byte": byte, "what": what}
    told = last(run(CODE.format(times=2, **given), tmp_path), "read")
    assert (told["retries"], told["forgotten"]) == (2, 2)
    if what == ROWS:
        assert np.frombuffer(bytes(told["rows"]), np.float32) == pytest.approx(packed.batch(np.array([7]))[0][0], rel=1e-6)
    else:
        assert int.from_bytes(bytes(told["labels"]), "little") == packed.labels[7]
    refused = last(run(CODE.format(times=3, **given), tmp_path), "refused")
    assert refused["kind"] == "data"
    assert "sample 7" in refused["text"]


LITTLEFS = """
import os
from tercet_device import trace
from tercet_device.data import DataSet
class Ram:
    def __init__(self, blocks):
        self._bytes = bytearray(4096 * blocks)
    def readblocks(self, block, buffer, offset=0):
        at = 4096 * block + offset
        buffer[:] = memoryview(self._bytes)[at : at + len(buffer)]
    def writeblocks(self, block, buffer, offset=0):
        at = 4096 * block + offset
        self._bytes[at : at + len(buffer)] = buffer
    def ioctl(self, operation, argument):
        return len(self._bytes) // 4096 if operation == 4 else 4096 if operation == 5 else 0
device = Ram(40)
os.VfsLfs2.mkfs(device)
os.mount(os.VfsLfs2(device), "/lfs")
with open({path!r}, "rb") as source, open("/lfs/data.tds", "wb") as copy:
    copy.write(source.read())
data = DataSet("/lfs/data.tds")
label, seen = bytearray(2), []
# from the end of one block of the file to the end of the next one
for sample in range({last}):
    for which in (sample, sample + {far}):
        data.read_labels(label, 0, [which], 2)
    seen.append(label[0] | label[1] << 8)
trace.emit("read", labels=seen, retries=data.retries)
"""


def test_samples_in_a_littlefs_file_are_read_from_their_own_block(tmp_path: Path) -> None:
    """Some versions of littlefs go on in a block whose end was read last. Four labels of six bytes end with a block of the
    file here, and 678 labels further on is the end of the next one."""
    labels = np.arange(3000) % 1000
    packed = PackedData(np.zeros((3000, 5), np.uint8), labels, 2000, 1000, 1.0, 0.0)
    (tmp_path / "data.tds").write_bytes(encode(packed))
    far = 678
    told = last(run(LITTLEFS.format(path=str(tmp_path / "data.tds"), last=3000 - far, far=far), tmp_path), "read")
    assert told["labels"] == labels[far:].tolist()
    assert told["retries"] == 0
