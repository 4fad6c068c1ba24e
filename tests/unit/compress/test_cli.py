# SPDX-License-Identifier: Apache-2.0
"""`tercet compress` on the command line, the table and the picture."""

import json

import numpy as np
import pytest
from tercet.cli import main as entry
from tercet.compress import report
from tercet.model import graph


def _tercet(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        entry.main(list(words))
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.fixture(scope="module")
def model_file(dense_net, tmp_path_factory):
    net, weights = dense_net
    return str(graph.save(net.model, weights, tmp_path_factory.mktemp("cli") / "model.json"))


def test_json_holds_the_contract(model_file, tmp_path, capsys):
    words = ("compress", "deep", model_file, "--data", "digits", "--density", "0.3,0.4,0.8", "--bits", "4", "--epochs", "3")
    picture = tmp_path / "p.svg"
    code, out, err = _tercet(capsys, *words, "-o", str(tmp_path / "m.trz"), "--pareto", str(picture), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert {"bytes_on_disk", "ratio", "error_before", "error_after", "layers"} <= set(found)
    assert (tmp_path / "m.trz").stat().st_size == found["bytes_on_disk"]
    assert "<svg" in picture.read_text()


def test_text_shows_layers_and_stages(model_file, tmp_path, capsys):
    words = ("compress", "fixedpoint", model_file, "--data", "digits", "--bits", "8/8", "-o", str(tmp_path / "m.trz"))
    code, out, err = _tercet(capsys, *words)
    assert code == 0, err
    assert "dense1" in out and "times smaller" in out and "in whole numbers" in out


def test_impossible_budgets_and_bad_options_end_with_their_codes(model_file, tmp_path, capsys):
    code, _, err = _tercet(capsys, "compress", "auto", model_file, "--data", "digits", "--flash", "200")
    assert code == 1 and "nearest possible" in err
    for bad in (("--energy", "2"), ("--density", "much")):
        code, _, err = _tercet(capsys, "compress", "prune", model_file, "--data", "digits", *bad)
        assert code == 1 and "try:" in err
    np.savez(tmp_path / "wrong.npz", x=np.zeros((9, 7), np.float32), y=np.zeros(9, int))
    code, _, err = _tercet(capsys, "compress", "fixedpoint", model_file, "--data", str(tmp_path / "wrong.npz"))
    assert code == 1 and "do not fit" in err
    assert _tercet(capsys, "compress", "magic", model_file, "--data", "digits")[0] == 2


def test_the_front_keeps_what_no_other_beats():
    points = [
        {"name": n, "bytes_on_disk": b, "error": e}
        for n, b, e in (("a", 10, 5.0), ("b", 20, 6.0), ("c", 30, 2.0), ("d", 30, 3.0))
    ]
    assert [point["name"] for point in report.pareto(points)] == ["a", "c"]
