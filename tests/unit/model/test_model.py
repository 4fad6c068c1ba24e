# SPDX-License-Identifier: Apache-2.0
"""Models: building, freezing, initial weights and files."""

import json

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.reference import Reference
from tercet.errors import ArtifactError, InputError
from tercet.model import Builder, initialise, load, mlp, save, zoo
from tercet.model.graph import from_body, to_body
from tercet.model.source import open_model


@pytest.mark.parametrize("name", zoo.ZOO)
def test_every_network_survives_its_file(name):
    model = zoo.build(name)
    assert from_body(json.loads(json.dumps(to_body(model))), name) == model


def test_weights_travel_with_the_model(tmp_path):
    model = zoo.build("lenet-28")
    weights = initialise(model, 3)
    path = save(model, weights, tmp_path / "model.json")
    found, values = load(path)
    assert found == model and all(np.array_equal(values[name], weights[name]) for name in weights)
    first = (tmp_path / "weights.npz").read_bytes()
    save(model, weights, path)
    assert (tmp_path / "weights.npz").read_bytes() == first, "the same weights give the same bytes"
    assert open_model(path, init=True, seed=4)[1]["conv2d1.w"].any()
    assert not np.array_equal(open_model(path, init=True, seed=4)[1]["conv2d1.w"], weights["conv2d1.w"])


def test_damaged_files_are_refused(tmp_path):
    model = mlp("t", [3, 4, 2])
    path = save(model, initialise(model), tmp_path / "model.json")
    weights = tmp_path / "weights.npz"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match=r"not what model\.json was written with"):
        load(path)
    weights.unlink()
    with pytest.raises(InputError, match="no such file"):
        load(path)
    weights.write_bytes(whole)
    body = json.loads(path.read_text())
    for change, words in [
        (lambda b: b["nodes"][0].update(op="dense9"), "unknown operator 'dense9'"),
        (lambda b: b["nodes"][1].update(inputs=["nothing"]), "used before or made twice"),
        (lambda b: b["parameters"][0].update(shape=[9, 9]), r"parameter w must have shape \[4, 3\]"),
        (lambda b: b.pop("nodes"), "not a complete model"),
        (lambda b: b.update(nodes=[]), "no layer"),
        (lambda b: b.update(schema="tercet-graph/1"), "schema"),
    ]:
        changed = json.loads(json.dumps(body))
        change(changed)
        path.write_text(json.dumps(changed))
        with pytest.raises(ArtifactError, match=words):
            load(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = mlp("t", [3, 4, 2])
    weights = initialise(model)
    weights["dense2.w"][0, 0] = np.nan
    with pytest.raises(InputError, match=r"dense2.w holds 1 values"):
        save(model, weights, tmp_path / "model.json")


def test_initial_weights_are_seeded_and_scaled():
    model = mlp("t", [300, 200, 100])
    one, same, other = initialise(model, 1), initialise(model, 1), initialise(model, 2)
    assert all(np.array_equal(one[n], same[n]) for n in one) and not np.array_equal(one["dense1.w"], other["dense1.w"])
    assert one["dense1.w"].std() == pytest.approx((2 / 300) ** 0.5, rel=0.02)
    assert one["dense2.w"].std() == pytest.approx((2 / 300) ** 0.5, rel=0.02), "Glorot: 2 / (200 + 100)"
    assert not one["dense1.b"].any() and one["dense1.w"].dtype == np.float32
    wider = mlp("t", [300, 200, 100, 7])
    assert np.array_equal(initialise(wider, 1)["dense1.w"], one["dense1.w"]), "independent of other parameters"


def test_frozen_layers_shrink_the_training_graph():
    model = zoo.build("resnet-8")
    whole = training_graph(model, 2)
    head = training_graph(model.frozen(last=1), 2)
    assert [n.op for n in head.nodes if n.phase in ("backward", "update")] == ["dense_update_sgd"]
    assert not any(n.op == "batchnorm_running" for n in head.nodes), "frozen statistics are left alone"
    half = training_graph(model.frozen(last=6), 2)
    assert len(head.nodes) < len(half.nodes) < len(whole.nodes)
    weights = initialise(model)
    run = Reference(half, weights)
    run.step(np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32), np.array([1, 2]))
    changed = {name for name in weights if not np.array_equal(run.weights[name], weights[name])}
    assert changed <= {n.operands[r] for n in half.nodes for r in n.operands if n.operands[r] in n.mutates}
    assert "conv2d1.w" not in changed and "dense1.w" in changed


def test_layers_are_frozen_by_pattern():
    model = zoo.build("lenet-28").frozen(patterns=("conv2d1.*",))
    trained = {name for name, p in model.parameters.items() if p.trainable}
    assert trained == {"conv2d2.w", "conv2d2.b", "dense1.w", "dense1.b"}
    graph = training_graph(model, 2)
    assert not any(n.name.startswith("conv2d1.") for n in graph.nodes), "nothing of it is left but the forward pass"
    with pytest.raises(InputError, match="matches 'conv9"):
        model.frozen(patterns=("conv9*",))
    with pytest.raises(InputError, match="last 4 layers: lenet-28 has 3"):
        model.frozen(last=4)
    with pytest.raises(InputError, match="nothing to train"):
        training_graph(model.frozen(patterns=("*",)), 2)


def test_layers_that_do_not_fit_are_refused():
    for build, words in [
        (lambda: Builder("t", (1, 4, 4)).conv(2, 5), "5x5 does not fit an image of 4x4"),
        (lambda: Builder("t", (3, 4, 4)).conv(4, 3, groups=2), "not divisible into 2 groups"),
        (lambda: Builder("t", (4,)).conv(4, 3), "needs an image or a signal"),
        (lambda: Builder("t", (4,)).dense(3).add("input"), "the shapes differ"),
        (lambda: Builder("t", (4,)).add("nowhere"), "no value is called 'nowhere'"),
        (lambda: Builder("t", (4,)).activation("sine"), "unknown activation 'sine'"),
        (lambda: Builder("t", (4,)).model(), "no layer"),
        (lambda: Builder("t", (1, 9, 9)).conv(2, 3, stride=0), "makes no sense"),
        (lambda: Builder("t", (1, 9, 9)).max_pool(2, padding=2), "makes no sense"),
        (lambda: Builder("t", (4,)).dropout(1.0), "make no sense"),
        (lambda: Builder("t", (4,)).batch_norm(epsilon=float("nan")), "make no sense"),
        (lambda: Builder("t", (4,)).dense(0), "make no sense"),
        (lambda: Builder("t", (4, 6)).attention(4), "do not split into 4 heads"),
        (lambda: mlp("t", [4]), "two positive widths"),
        (lambda: training_graph(mlp("t", [4, 3]), 5, micro_batches=2), "does not divide into 2"),
        (lambda: training_graph(mlp("t", [4, 3]), 5, loss="hinge"), "unknown loss 'hinge'"),
        (lambda: training_graph(mlp("t", [4, 1]), 5), "two classes or more"),
    ]:
        with pytest.raises(InputError, match=words):
            build()
