# SPDX-License-Identifier: Apache-2.0
"""`compress.run`: every method end to end on digits, and what it refuses."""

import numpy as np
import pytest
from tercet import compress
from tercet.compress import auto
from tercet.compress.job import open_data
from tercet.compress.packed import container
from tercet.errors import ArtifactError, InfeasibleError, InputError
from tercet.model import Builder, graph, initialise

QUICK = {"epochs": 6, "batch": 32, "rate": 3e-3}


@pytest.fixture(scope="module")
def saved(dense_net, tmp_path_factory):
    net, weights = dense_net
    return graph.save(net.model, weights, tmp_path_factory.mktemp("model") / "model.json")


@pytest.fixture(scope="module")
def saved_conv(conv_net, tmp_path_factory):
    net, weights = conv_net
    return graph.save(net.model, weights, tmp_path_factory.mktemp("conv") / "model.json")


@pytest.mark.parametrize(
    ("method", "options", "ratio", "rise"),
    [
        ("prune", {"density": 0.3}, 2.2, 4),
        ("prune", {"density": [0.3, 0.3, 0.6], "saliency": True}, 2.2, 4),
        ("prune", {"rise": 2.0}, 1.2, 4),
        ("channels", {"share": 0.6}, 1.8, 5),
        ("deep", {"density": [0.25, 0.3, 0.6], "bits": 3}, 11, 10),
        ("fixedpoint", {}, 3, 0.6),
        ("fixedpoint", {"bits": "4/8", "per_channel": True, "rule": "l1"}, 3, 5),
        ("lowrank", {"speedup": 2}, 1.5, 3),
        ("ternary", {"threshold": 0.2, "rate": 1e-2, "epochs": 15}, 8, 6),
    ],
)
def test_every_method_shrinks_at_a_bounded_rise(method, options, ratio, rise, saved, digits, tmp_path):
    output = tmp_path / "small.trz"
    found = compress.run(method, saved, digits, QUICK | options | {"output": output})
    assert output.stat().st_size == found["bytes_on_disk"]
    assert found["ratio"] == found["bytes_before"] / found["bytes_on_disk"] >= ratio
    assert found["error_after"] <= found["error_before"] + rise
    assert sum(row["bytes"] for row in found["layers"]) == found["bytes_on_disk"]
    model, weights, _ = container.unpack_all(output.read_bytes())
    assert model.output_shape == (10,) and all(np.isfinite(value).all() for value in weights.values())
    if method in ("deep", "fixedpoint") and "per_channel" not in options:
        assert abs(found["error_on_board"] - found["error_after"]) < 1.5


def test_methods_combine(saved, digits, tmp_path):
    options = QUICK | {"output": tmp_path / "a.trz", "speedup": 1.5}
    first = compress.run("lowrank", saved, digits, options)
    options = QUICK | {"output": tmp_path / "b.trz", "density": 0.4, "bits": 4, "json": True}
    second = compress.run("deep", tmp_path / "a.trz", digits, options)
    assert second["bytes_on_disk"] < first["bytes_on_disk"] / 4
    assert second["error_after"] <= first["error_before"] + 5
    assert graph.load(tmp_path / "b.json")[0].parameters


def test_auto_meets_its_budget(saved_conv, digits, tmp_path):
    options = QUICK | {"output": tmp_path / "auto.trz", "flash": 2600, "ram": 16000, "cycles": 400_000}
    found = compress.run("auto", saved_conv, digits, options)
    assert found["bytes_on_disk"] == found["spent"]["flash_bytes"] <= 2600 and found["proven"]
    assert found["spent"]["cycles"] <= 400_000 and found["spent"]["ram_bytes"] <= 16000
    assert found["spent"]["cycles"] == pytest.approx(sum(row["cycles"] for row in found["layers"]), abs=4)
    assert set(found["choices"]) == {"conv2d1", "conv2d2", "dense1", "dense2"}
    assert found["error_after"] <= found["error_before"] + 10


def test_auto_chooses_again_when_training_left_more_than_planned(saved, digits, tmp_path, monkeypatch):
    carry_out, asked = auto._carry_out, []

    def grown(job, plan):
        asked.append(plan.totals)
        result, spent = carry_out(job, plan)
        return result, {name: value + 300 for name, value in plan.totals.items()}

    monkeypatch.setattr(auto, "_carry_out", grown)
    options = {"epochs": 1, "output": tmp_path / "a.trz", "flash": 2600, "ram": 6000}
    compress.run("auto", saved, digits, options)
    assert 1 < len(asked) <= auto.TRIES and asked[0]["flash_bytes"] > 2300  # how many depends on what choices there are
    assert asked[-1]["flash_bytes"] <= 2300 and asked[-1]["ram_bytes"] <= 5700
    monkeypatch.setattr(auto, "TRIES", 1)
    with pytest.raises(InfeasibleError, match="more than allowed") as caught:
        compress.run("auto", saved, digits, options)
    assert caught.value.smallest["flash_bytes"] > 2600


def test_an_impossible_budget_says_the_nearest_possible(saved, digits):
    with pytest.raises(InfeasibleError, match="nearest possible") as caught:
        compress.run("auto", saved, digits, QUICK | {"flash": 300, "energy": 1e-3})
    assert 300 < caught.value.smallest["flash_bytes"] < 2000 and caught.value.smallest["cycles"] > 0
    with pytest.raises(InputError, match="budget"):
        compress.run("auto", saved, digits, QUICK)


def test_a_calibration_set_of_the_wrong_shape_is_refused(saved, tmp_path):
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, x=np.zeros((20, 63), np.float32), y=np.zeros(20, int))
    with pytest.raises(InputError, match=r"\[63\] do not fit dense, whose input is \[1, 8, 8\]"):
        compress.run("fixedpoint", saved, wrong)


def test_labels_that_are_no_classes_are_refused(saved, tmp_path):
    x = np.zeros((20, 64), np.float32)
    for label, text in ((10, "a label is 10"), (-1, "a label is -1"), (0.5, r"a label is 0\.5")):
        path = tmp_path / "labels.npz"
        np.savez(path, x=x, y=np.full(20, label))
        for method in ("fixedpoint", "prune"):
            with pytest.raises(InputError, match=text):
                compress.run(method, saved, path, {"density": 0.5})
    np.savez(path, x=x, y=np.eye(20))
    with pytest.raises(InputError, match=r"a label is of shape \[20\]"):
        compress.run("fixedpoint", saved, path)


def test_data_files_that_cannot_be_used_are_refused(saved, tmp_path):
    cases = {
        "empty": {"x": np.zeros((0, 64)), "y": np.zeros(0)},
        "unequal": {"x": np.zeros((5, 64)), "y": np.zeros(4)},
        "nan": {"x": np.full((10, 64), np.nan), "y": np.zeros(10, int)},
        "names": {"images": np.zeros((5, 64))},
    }
    for name, arrays in cases.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **arrays)
        with pytest.raises(InputError):
            open_data(path)
    (tmp_path / "text.npz").write_text("no")
    for source in (tmp_path / "text.npz", tmp_path / "none.npz", "no-such-set"):
        with pytest.raises(InputError):
            open_data(source)


def test_parts_of_a_file_and_sets_from_a_folder(tmp_path):
    parts = {"x_train": np.zeros((6, 4)), "y_train": np.zeros(6), "x_test": np.ones((3, 4)), "y_test": np.ones(3)}
    np.savez(tmp_path / "d.npz", **parts)
    data = open_data(tmp_path / "d.npz")
    assert data.train.x.shape == (6, 4) and data.test.labels.tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="nowhere"):
        open_data(f"cifar10={tmp_path / 'nowhere'}")
    assert len(open_data("digits").test.x) == 359


def test_u8_files_bring_their_divisor(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x=np.full((10, 4), 16, np.uint8), y=np.zeros(10, int), scale=1 / 16)
    data = open_data(path)
    assert data.divisor == 16 and data.train.x.max() == 1.0 and len(data.test.x) == 2


def test_models_that_cannot_be_used_are_refused(tmp_path, digits):
    for name in ("none.trz", "none.json"):
        with pytest.raises(InputError):
            compress.run("prune", tmp_path / name, digits)
    (tmp_path / "bad.trz").write_bytes(b"TRZ1 and nonsense")
    with pytest.raises(ArtifactError):
        compress.run("prune", tmp_path / "bad.trz", digits)
    with pytest.raises(InputError, match="deep"):
        compress.run("magic", tmp_path / "bad.trz", digits)
    model = Builder("m", (64,)).dense(10).model()
    path = graph.save(model, initialise(model), tmp_path / "model.json")
    with pytest.raises(InputError, match="needs data"):
        compress.run("prune", path)
    for bad in ({"bits": "8"}, {"bits": "1/8"}, {"bits": "8/x"}):
        with pytest.raises(InputError):
            compress.run("fixedpoint", path, digits, bad)


def test_an_onnx_file_without_weights_is_refused(tmp_path, digits):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    inputs = [helper.make_tensor_value_info(n, kind, s) for n, s in (("x", [1, 64]), ("w", [10, 64]))]
    outputs = [helper.make_tensor_value_info("y", kind, [1, 10])]
    path = tmp_path / "bare.onnx"
    graph = helper.make_graph([node], "bare", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    with pytest.raises(InputError, match="inputs") as caught:
        compress.run("prune", path, digits, {"density": 0.5})
    assert "with its parameters" in caught.value.hint
