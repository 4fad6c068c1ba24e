# SPDX-License-Identifier: Apache-2.0
"""The compression table, small: every row on digits with little training, kept weights, the files for the board."""

import dataclasses

import numpy as np
import pytest
from tercet.compress import bench
from tercet.compress import lab as lab_module
from tercet.compress.finetune import Recipe
from tercet.compress.packed import container, integer
from tercet.compress.subjects import Subject, lenet5, lenet300
from tercet.errors import InputError
from tercet.model import Builder
from tercet.profile import packed

SHORT = Recipe(epochs=6, batch=32, rate=5e-3)


@pytest.fixture(scope="module")
def lab(digits, tmp_path_factory):
    return lab_module.Lab(tmp_path_factory.mktemp("bench"), lambda _: None, digits)


@pytest.fixture(scope="module")
def subject():
    net = Builder("small", (1, 8, 8)).flatten().dense(40).relu().dense(20).relu().dense(10)
    return Subject("lenet300", net.model(), SHORT, (0.3, 0.4, 0.7), (3, 3, 4), SHORT, SHORT)


@pytest.fixture(autouse=True)
def short_recipes(monkeypatch):
    for name in ("MILD", "TERNARY", "TUNED"):
        monkeypatch.setattr(bench, name, SHORT)


def test_every_row_has_its_figure(lab, subject):
    rows = {}
    for figures in (bench.deep_figures, bench.prune_figures, bench.fixed_figures, bench.low_rank_figures,
                    bench.ternary_figures, bench.huffman_figures):  # fmt: skip
        rows |= figures(lab, subject, 0)
    assert {"deep-lenet300-ratio", "deep-lenet300-error", "prune-lenet300-ratio", "prune-lenet300-delta", "ttq-delta",
            "fixedpoint-8-8-delta",
            "fixedpoint-4-8-compensated-delta", "lowrank-4x-delta", "huffman-over-entropy"} <= set(rows)  # fmt: skip
    assert rows["deep-lenet300-ratio"] > 8 and rows["deep-lenet300-error"] < 20
    assert abs(rows["fixedpoint-8-8-delta"]) < 1 and 1 <= rows["huffman-over-entropy"] < 1.1
    assert all(name.rsplit("-", 1)[1] in bench._UNITS for name in rows)


def test_trained_weights_are_kept(lab, subject, monkeypatch):
    first = lab.shared(subject, 0)
    monkeypatch.setattr(lab_module, "train", None)
    monkeypatch.setattr(lab_module.codebook, "share", None)
    assert all(np.array_equal(first[name], value) for name, value in lab.shared(subject, 0).items())


def test_the_board_gets_what_the_host_judged(lab, subject):
    bench.leave_deployable(lab, subject, lab.shared(subject, 0), "deployed")
    found = packed.subject_of(lab.folder / "deployed")
    assert found.shapes == ((40, 64), (20, 40), (10, 20)) and len(found.samples) == 359
    for data in found.files.values():
        model, weights, execution = container.unpack_all(data)
        host = integer.lower(model, weights, execution.fractions, execution.divisor)
        assert np.array_equal(host.labels(found.samples), found.labels)


def test_the_subjects_are_the_published_networks():
    assert lenet300().model.parameter_count == 266_610 and lenet5().model.parameter_count == 431_080


def test_rows_are_medians_and_name_every_seed(lab, subject):
    def figures(lab, subject, seed):
        return {"deep-lenet300-ratio": float(seed * seed), "a-delta": 1.0}

    first, second = bench.rows_of(lab, figures, subject, (3, 1, 2))
    assert first == {"name": "deep-lenet300-ratio", "value": 4.0, "unit": "x", "provenance": "measured", "seeds": [9, 1, 4],
                     "published": 40}  # fmt: skip
    assert second["value"] == 1.0 and second["published"] is None


def test_the_whole_table_and_what_it_leaves_for_the_board(lab, subject, digits, monkeypatch):
    monkeypatch.setattr(bench.datasets, "load", lambda name, cache: digits)
    monkeypatch.setattr(bench, "lenet300", lambda: subject)
    monkeypatch.setattr(bench, "lenet5", lambda: dataclasses.replace(subject, key="lenet5"))
    monkeypatch.setattr(bench, "SEEDS", (0,))
    told = []
    rows = {row["name"]: row for row in bench.run(say=told.append, folder=lab.folder)}
    assert {"name", "value", "unit", "provenance", "seeds", "published"} == set(rows["deep-lenet5-ratio"])
    assert any(line.startswith("deep-lenet5-error: ") for line in told)
    bench.leave_both(say=told.append, folder=lab.folder)
    for name, count in (("deployed", 359), ("pruned", 100)):
        assert len(packed.subject_of(lab.folder / name).samples) == count
    with pytest.raises(InputError, match="no compressed network"):
        packed.subject_of(lab.folder / "nowhere")
