# SPDX-License-Identifier: Apache-2.0
"""What a user may call data: an archive, a folder of arrays, an array with its labels beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tercet.errors import InputError
from tercet.train import data, records

RNG = np.random.default_rng(4)
X, Y = RNG.integers(0, 256, (30, 2, 3)).astype(np.uint8), np.arange(30) % 3


def test_the_same_arrays_give_the_same_set_in_every_form(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", x=X, y=Y)
    np.save(tmp_path / "mine_x.npy", X)
    np.save(tmp_path / "mine_y.npy", Y)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "x.npy", X)
    np.save(tmp_path / "folder" / "y.npy", Y)
    sets = [data.load(str(tmp_path / name)) for name in ("both.npz", "mine_x.npy", "folder", "folder/x.npy")]
    for found in sets:
        assert (found.rows == sets[0].rows).all()
        assert (found.labels == sets[0].labels).all()
        assert (found.training, found.classes, found.scale) == (24, 3, sets[0].scale)
    # every fifth of each class is held out, the training samples come first
    assert sorted(map(bytes, sets[0].rows)) == sorted(map(bytes, X.reshape(30, 6)))
    assert np.bincount(sets[0].labels[24:]).tolist() == [2, 2, 2]


def test_a_folder_may_have_its_own_test_part(tmp_path: Path) -> None:
    for name, array in (("x_train", X[:20]), ("y_train", Y[:20]), ("x_test", X[20:]), ("y_test", Y[20:])):
        np.save(tmp_path / f"{name}.npy", array)
    found = data.load(str(tmp_path))
    assert found.training == 20
    assert (found.rows == X.reshape(30, 6)).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [("lonely_x.npy", "labels are not beside"), ("mine.npy", "labels are not beside"), ("none.npy", "no such file"),
     ("broken_x.npy", "plain arrays")],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(name: str, text: str, tmp_path: Path) -> None:
    for there in ("lonely_x.npy", "mine.npy", "broken_y.npy"):
        np.save(tmp_path / there, X)
    (tmp_path / "broken_x.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=text):
        data.load(str(tmp_path / name))


def test_a_run_in_two_parts_reads_as_one() -> None:
    first = [{"event": "ready"}, *({"event": "step", "step": step} for step in (10, 20))]
    second = [{"event": "resumed", "step": 15}, {"event": "step", "step": 20}, {"event": "done", "steps": 20}]
    told = records.joined(first, second)
    assert [event["step"] for event in told if event["event"] == "step"] == [10, 20]
    assert records.joined(first, [{"event": "ready"}]) == [{"event": "ready"}]
