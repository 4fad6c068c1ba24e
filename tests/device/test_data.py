# SPDX-License-Identifier: Apache-2.0
"""Samples on the board: what a card forgot is read again, and refused when it stays wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_job import data
from tercet.plan.dataset_file import encode
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
