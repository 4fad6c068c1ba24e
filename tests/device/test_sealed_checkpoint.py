# SPDX-License-Identifier: Apache-2.0
"""Checkpoints under the device's key: nothing to be read, changed or exchanged without it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_job import job
from tercet.train.job import Settings
from unix_port import KERNELS, last, prepare_job, run

CIPHER = KERNELS / "cipher"
pytestmark = pytest.mark.skipif(not (CIPHER / "tercet_cipher.mpy").exists(), reason="not built: make kernels")
SETTINGS = Settings(10, report_every=4, baseline_ms=1, checkpoint_every=2, checkpoint_file="checkpoint")


@pytest.fixture
def paused(tmp_path: Path) -> Path:
    """A job that was stopped after step 6: checkpoints of steps 4 and 6."""
    path = prepare_job(job("frugal", {"name": "momentum", "rate": 0.1}, settings=SETTINGS)[2], tmp_path)
    settings = json.loads(path.read_text())
    settings["checkpoint"]["key"] = str(tmp_path / "device.key")
    path.write_text(json.dumps(settings))
    go(path, pause="lambda step: step == 6")
    return path


def go(path: Path, **words: Any) -> list[dict[str, Any]]:
    given = "".join(f", {name}={value}" for name, value in words.items())
    return run(f"sys.path.append({str(CIPHER)!r})\nfrom tercet_device import loop\nloop.main({str(path)!r}{given})", path.parent)


def slots(path: Path) -> list[Path]:
    """The files of both slots, the newer one first."""
    return sorted((path.parent / f"checkpoint.{i}" for i in range(2)), key=lambda file: -sequence(file.read_bytes()))


def sequence(content: bytes) -> int:
    return int.from_bytes(content[-496:-492], "little")


def with_trailer(content: bytes, at: int, value: bytes) -> bytes:
    """The content with other bytes in its last block, whose checksum fits again."""
    last_block = bytearray(content[-512:])
    last_block[at : at + len(value)] = value
    last_block[-4:] = zlib.crc32(last_block[:-4]).to_bytes(4, "little")
    return content[:-512] + bytes(last_block)


def test_a_sealed_run_goes_on_with_the_same_bits(paused: Path) -> None:
    pieces = go(paused, resume=True)
    assert last(pieces, "resumed")["step"] == 6
    assert last(pieces, "done")["digest"] == last(go(paused), "done")["digest"]
    assert len((paused.parent / "device.key").read_bytes()) == 32


def test_nothing_can_be_read_and_equal_checkpoints_share_no_block(paused: Path) -> None:
    first = [file.read_bytes()[:-512] for file in slots(paused)]
    go(paused, pause="lambda step: step == 6")
    bodies = [*first, *(file.read_bytes()[:-512] for file in slots(paused))]
    # the rest of the last block is zeros
    sealed = [body[: len(body.rstrip(b"\0"))] for body in bodies]
    blocks = [body[at : at + 64] for body in sealed for at in range(0, len(body) - 63, 64)]
    assert len(set(blocks)) == len(blocks) > 40
    counts = np.bincount(np.frombuffer(b"".join(sealed), np.uint8), minlength=256)
    expected = counts.sum() / 256
    # 255 degrees of freedom: six standard deviations
    assert ((counts - expected) ** 2 / expected).sum() < 255 + 6 * np.sqrt(2 * 255)


def test_every_changed_bit_is_refused(paused: Path) -> None:
    newer = slots(paused)[0]
    content = newer.read_bytes()
    body = len(content) - 512
    for bit in [*range(0, 8 * body, 8 * body // 9 + 1), *range(8 * (body + 24), 8 * (body + 52), 37)]:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        newer.write_bytes(with_trailer(bytes(damaged), 0, b"TCKP"))
        events = go(paused, resume=True, pause="lambda step: True")
        assert last(events, "checkpoint_damaged")["sequence"] == sequence(content)
        assert last(events, "resumed")["step"] == 4
        # what the pause wrote is undone
        newer.write_bytes(content)


def test_another_name_another_slot_and_another_key_are_refused(paused: Path) -> None:
    newer, older = slots(paused)
    content, before = newer.read_bytes(), older.read_bytes()
    newer.write_bytes(with_trailer(content, 16, (9).to_bytes(4, "little")))
    assert last(go(paused, resume=True, pause="lambda step: True"), "resumed")["step"] == 4
    # an old body below a newer trailer
    newer.write_bytes(before[:-512] + content[-512:])
    older.write_bytes(before)
    assert last(go(paused, resume=True, pause="lambda step: True"), "resumed")["step"] == 4
    newer.write_bytes(content)
    older.write_bytes(before)
    (paused.parent / "device.key").write_bytes(bytes(32))
    events = go(paused, resume=True)
    assert len([event for event in events if event["event"] == "checkpoint_damaged"]) == 2
    assert not [event for event in events if event["event"] == "resumed"]
