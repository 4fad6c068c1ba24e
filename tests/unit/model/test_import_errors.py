# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an ONNX file is said before anything is built from it."""

import random

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.errors import InputError, TercetError
from tercet.model.exchange import import_onnx, reader
from tercet.model.source import open_model

W = np.ones((4, 3), np.float32)
DENSE = [("MatMul", ["x", "w"], "y", {})]


def refused(path, *words, **options):
    with pytest.raises(InputError) as caught:
        import_onnx(path, **options)
    for word in (*words, str(path)):
        assert word in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("LSTM", ["x", "w", "w"], "y", {"hidden_size": 2})], ["LSTM", "n_y", "nearest: Conv (in one dimension)"]),
        ([("HardSwish", ["x"], "y", {})], ["HardSwish", "nearest: Clip (ReLU6)"]),
        ([("Elu", ["x"], "y", {})], ["Elu", "nearest: LeakyRelu", "supported: Add, AveragePool"]),
        ([("GlobalLpPool", ["x"], "y", {})], ["nearest: GlobalMaxPool"]),
        ([("Einsum", ["x", "w"], "y", {"equation": "ij,jk->ik"})], ["Einsum", "supported: "]),
        ([("MatMul", ["x", "x"], "y", {})], ["product of two computed values", "constant weights"]),
        ([("Gemm", ["x", "w"], "y", {"alpha": 2.0})], ["alpha"]),
        ([("Clip", ["x", "one"], "y", {})], ["bounds"]),
        ([("Add", ["x", "one"], "y", {})], ["added constant"]),
        ([("Softmax", ["x"], "y", {"axis": 0})], ["last axis"]),
        ([("Reshape", ["x", "shape"], "y", {})], ["batch must stay"]),
        ([("Transpose", ["x"], "y", {"perm": [1, 0]})], ["batch must stay"]),
        ([("Gemm", ["x", "wide"], "y", {})], ["weights for 5 inputs meet", "[4]"]),
        ([("LogSoftmax", ["x"], "s", {}), ("Relu", ["s"], "y", {})], ["end of a network"]),
    ],
)
def test_an_unsupported_node_is_named_with_what_is_near(make_onnx, rows, words):
    constants = {"w": W, "one": np.float32(1.5), "shape": np.array([2, 2]), "wide": np.ones((5, 3), np.float32)}
    refused(make_onnx(rows, constants, ("N", 4)), *words)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("MatMul", ["x", "x"], "y", {})], ["product of two computed values"]),
        ([("Transpose", ["x"], "t", {"perm": [0, 1, 3, 2]}), ("MatMul", ["x", "t"], "y", {})], ["product of two"]),
        (
            [
                ("Transpose", ["f"], "q", {"perm": [0, 2, 1, 3]}), ("Transpose", ["f"], "k", {"perm": [0, 2, 3, 1]}),
                ("MatMul", ["q", "k"], "s", {}), ("Softmax", ["s"], "y", {}),
            ],
            ["scaled by 1, not by 1 / sqrt(4)"],
        ),
        (
            [
                ("Transpose", ["f"], "q", {"perm": [0, 2, 1, 3]}), ("Transpose", ["f"], "k", {"perm": [0, 2, 3, 1]}),
                ("MatMul", ["q", "k"], "s", {}), ("Relu", ["s"], "y", {}),
            ],
            ["right before their softmax"],
        ),
        (
            [
                ("Transpose", ["f"], "q", {"perm": [0, 2, 1, 3]}), ("Transpose", ["f"], "k", {"perm": [0, 2, 3, 1]}),
                ("MatMul", ["q", "k"], "s", {}), ("Add", ["s", "mask"], "y", {}),
            ],
            ["causal mask"],
        ),
        (
            [
                ("Transpose", ["f"], "q", {"perm": [0, 1, 2, 3]}), ("Transpose", ["f"], "k", {"perm": [0, 1, 3, 2]}),
                ("MatMul", ["q", "k"], "y", {}),
            ],
            ["not parts of the width"],
        ),
    ],
)  # fmt: skip
def test_products_that_are_no_attention(make_onnx, rows, words):
    rows = [("Reshape", ["x", "four"], "f", {}), *rows] if "f" in rows[0][1] else rows
    constants = {"four": np.array([0, 3, 2, 4]), "mask": np.full((3, 3), 0.5, np.float32)}
    refused(make_onnx(rows, constants, ("N", 3, 8) if len(rows) > 2 else ("N", 2, 3, 4)), *words)


def test_windows_that_are_not_supported(make_onnx):
    kernel = {"k": np.ones((2, 3, 3, 3), np.float32), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    shape = ("N", 3, 8, 8)
    refused(make_onnx([("Conv", ["x", "k"], "y", {"dilations": [2, 2]})], kernel, shape), "dilated")
    rows = [("MaxPool", ["x"], "y", {"kernel_shape": [9, 9]})]
    refused(make_onnx(rows, {}, shape), "9x9 does not fit")
    rows = [("Pad", ["x", "p"], "q", {}), ("Relu", ["q"], "y", {})]
    refused(make_onnx(rows, kernel, shape), "Pad is supported only right before a convolution")
    rows = [("Conv", ["x", "k"], "y", {})]
    refused(make_onnx(rows, kernel, ("N", 4, 8, 8)), "3 channels meet a value of 4")


@pytest.mark.parametrize(("shape", "axes"), [(("N", "width"), "width"), (("N", 3, None, 8), "?"), (("N", 0), "?")])
def test_only_the_batch_may_be_dynamic(make_onnx, shape, axes):
    found = refused(make_onnx([("Relu", ["x"], "y", {})], {}, shape), "dynamic axes", axes)
    assert "axis 0 only" in found.hint


@pytest.mark.parametrize("opset", [8, 26])
def test_the_operator_set_is_checked(make_onnx, opset):
    refused(make_onnx(DENSE, {"w": W}, ("N", 4), opset=opset), f"operator set {opset}", "9 to 25")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_unless_drawn_anew(make_onnx, value):
    weights = W.copy()
    weights[1, 2] = value
    path = make_onnx(DENSE, {"w": weights}, ("N", 4))
    found = refused(path, "1 values that are no numbers")
    assert "--init" in found.hint
    assert np.isfinite(next(iter(import_onnx(path, init=True).weights.values()))).all()


def test_files_that_are_no_models(tmp_path, make_onnx):
    refused(tmp_path / "absent.onnx", "no such file")
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    refused(empty, "no ONNX model")
    text = tmp_path / "text.onnx"
    text.write_text("this is not protobuf " * 20)
    refused(text, "cannot be read as ONNX")
    whole = make_onnx(DENSE, {"w": W}, ("N", 4)).read_bytes()
    for share in (0.3, 0.6, 0.95):
        cut = tmp_path / "cut.onnx"
        cut.write_bytes(whole[: int(len(whole) * share)])
        refused(cut)


def test_a_huge_file_is_not_read(make_onnx, monkeypatch):
    path = make_onnx(DENSE, {"w": W}, ("N", 4))
    monkeypatch.setattr(reader, "LIMIT_BYTES", 100)
    refused(path, "larger than the limit")


def test_a_huge_constant_is_not_computed(make_onnx):
    rows = [("ConstantOfShape", ["s"], "c", {}), ("Add", ["x", "c"], "y", {})]
    refused(make_onnx(rows, {"s": np.array([1 << 20, 1 << 20])}, ("N", 4)), "more than 268435456 elements")


def test_weights_of_the_wrong_size(make_onnx, onnx):
    path = make_onnx(DENSE, {"w": W}, ("N", 4))
    proto = onnx.load(str(path))
    proto.graph.initializer[0].dims[0] = 1 << 40
    path.write_bytes(proto.SerializeToString())
    refused(path, "not a valid ONNX model")


def test_inputs_and_outputs_are_counted(make_onnx, onnx):
    path = make_onnx(DENSE, {"w": W}, ("N", 4))
    proto = onnx.load(str(path))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("z", 1, ("N", 2)))
    path.write_bytes(proto.SerializeToString())
    refused(path, "['x', 'z']")
    refused(make_onnx([("Relu", ["x"], "y", {})], {}, ("N",)), "a batch and at least one more")
    refused(make_onnx([("Identity", ["x"], "y", {})], {}, ("N", 4)), "nothing to train")
    refused(make_onnx([("Relu", ["x"], "y", {})], {}, ("N", 4), dtype=9), "neither of floats")


def test_a_changed_file_is_refused_or_trains(make_onnx, onnx, tmp_path):
    """Two hundred small changes to a good file: each gives an error for the user or a model that differentiates."""
    rows = [
        ("Conv", ["x", "k", "b"], "c", {"pads": [1, 1, 1, 1], "strides": [1, 2], "group": 1}),
        ("BatchNormalization", ["c", "g", "b", "b", "g"], "n", {"epsilon": 1e-3, "momentum": 0.9}),
        ("Relu", ["n"], "r", {}),
        ("MaxPool", ["r"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Reshape", ["p", "s"], "f", {}),
        ("Gemm", ["f", "w", "b"], "y", {"transB": 1}),
    ]
    constants = {
        "k": np.ones((3, 2, 3, 3), np.float32), "b": np.ones(3, np.float32), "g": np.ones(3, np.float32),
        "s": np.array([0, -1]), "w": np.ones((3, 24), np.float32),
    }  # fmt: skip
    good = onnx.load(str(make_onnx(rows, constants, ("N", 2, 8, 8))))
    generator, path, trained = random.Random(1), tmp_path / "changed.onnx", 0
    for _ in range(200):
        proto = onnx.ModelProto()
        proto.CopyFrom(good)
        _change(generator, proto)
        path.write_bytes(proto.SerializeToString())
        try:
            graph = training_graph(import_onnx(path).model, 2)
        except TercetError as error:
            assert str(path) in str(error) or "makes no sense" in str(error)
        else:
            trained += bool(graph.nodes)
    assert 10 < trained < 190


def _change(generator, proto):
    node = generator.choice(proto.graph.node)
    numbers = [a for a in node.attribute if a.ints]
    kind = generator.randrange(5)
    if kind == 0 and numbers:
        ints = generator.choice(numbers).ints
        ints[generator.randrange(len(ints))] = generator.choice([-1, 0, 1, 3, 9, 1 << 40])
    elif kind == 1:
        node.input[generator.randrange(len(node.input))] = generator.choice(["", "x", "k", "w", "c", "r", "gone"])
    elif kind == 2:
        node.op_type = generator.choice(["Relu", "Add", "Flatten", "Softmax", "Concat", "Squeeze", "LSTM", "Nothing"])
    elif kind == 3:
        dims = generator.choice(proto.graph.initializer).dims
        dims[generator.randrange(len(dims))] = generator.choice([0, 1, 2, 24])
    else:
        axis = proto.graph.input[0].type.tensor_type.shape.dim[generator.randrange(4)]
        axis.dim_value = generator.choice([0, 1, 2, 3, 8, 1 << 20])


def test_an_unknown_name_lists_the_networks():
    with pytest.raises(InputError, match="neither a model file"):
        open_model("lenet-29")
