# SPDX-License-Identifier: Apache-2.0
"""Every converter against the onnx package's own evaluation of the same file."""

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.reference import Reference, predict
from tercet.model.exchange import import_onnx, write_back


def numbers(*shape, seed=0, low=-1.0):
    return np.random.default_rng([seed, *shape]).uniform(low, 1, shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


IMAGE, SIGNAL, ROW = ("N", 4, 8, 6), ("N", 4, 15), ("N", 12)
W, B = numbers(6, 4, 3, 3), numbers(6)
ROOT, ONE, HALF = np.float32(2**0.5), np.float32(1), np.float32(0.5)


def one(op, *constants, shape=IMAGE, opset=17, **attrs):
    """A file of one node."""
    table = {f"c{number}": value for number, value in enumerate(constants)}
    return [(op, ["x", *table], "y", attrs)], table, shape, opset


def gelu(order):
    rows = [("Div", ["x", "root"], "d", {}), ("Erf", ["d"], "e", {}), ("Add", ["e", "one"], "p", {})]
    rows += {
        "x-first": [("Mul", ["x", "p"], "m", {}), ("Mul", ["m", "half"], "y", {})],
        "half-first": [("Mul", ["half", "p"], "m", {}), ("Mul", ["m", "x"], "y", {})],
        "half-x": [("Mul", ["x", "half"], "h", {}), ("Mul", ["h", "p"], "y", {})],
    }[order]
    return rows, {"root": ROOT, "one": ONE, "half": HALF}, ROW, 17


CASES = {
    "conv": one("Conv", W, B),
    "conv-stride": one("Conv", W, strides=[2, 3], pads=[1, 0, 2, 1]),
    "conv-same-upper": one("Conv", W, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv-same-lower": one("Conv", W, auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv-valid": one("Conv", W, auto_pad="VALID"),
    "conv-groups": one("Conv", numbers(6, 2, 3, 2), B, group=2),
    "conv-depthwise": one("Conv", numbers(4, 1, 3, 3), group=4, pads=[1, 1, 1, 1]),
    "conv1d": one("Conv", numbers(5, 4, 3), numbers(5), shape=SIGNAL, strides=[2], pads=[1, 0]),
    "gemm": one("Gemm", numbers(12, 5), numbers(5), shape=ROW),
    "gemm-transposed": one("Gemm", numbers(5, 12), numbers(1, 5), shape=ROW, transB=1),
    "gemm-no-bias": one("Gemm", numbers(5, 12), shape=ROW, transB=1),
    "matmul": one("MatMul", numbers(12, 5), shape=ROW),
    "matmul-rows": one("MatMul", numbers(6, 5), shape=("N", 3, 6)),
    "matmul-add": (
        [("MatMul", ["x", "w"], "m", {}), ("Add", ["b", "m"], "y", {})],
        {"w": numbers(12, 5), "b": numbers(5)}, ROW, 17,
    ),
    "conv-add": (
        [("Conv", ["x", "w"], "m", {}), ("Add", ["m", "b"], "y", {})],
        {"w": W, "b": numbers(1, 6, 1, 1)}, IMAGE, 17,
    ),
    "pad-conv": (
        [("Pad", ["x", "p"], "q", {}), ("Conv", ["q", "w"], "y", {"pads": [0, 1, 1, 0]})],
        {"p": ints(0, 0, 1, 0, 0, 0, 2, 1), "w": W}, IMAGE, 17,
    ),
    "batch-norm": one("BatchNormalization", *(numbers(4, seed=s, low=0.1) for s in range(4)), epsilon=1e-3),
    "layer-norm": one("LayerNormalization", numbers(6), numbers(6, seed=1), shape=("N", 3, 6), axis=-1),
    "group-norm": one("GroupNormalization", numbers(4), numbers(4, seed=1), opset=21, num_groups=2),
    "instance-norm": one("InstanceNormalization", numbers(4), numbers(4, seed=1)),
    "max-pool": one("MaxPool", kernel_shape=[2, 3], strides=[2, 2]),
    "max-pool-pad": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max-pool-ceil": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "max-pool-1d": one("MaxPool", shape=SIGNAL, kernel_shape=[2], strides=[2]),
    "average-pool": one("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "average-pool-pad": one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "average-pool-count": one(
        "AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "global-average": one("GlobalAveragePool"),
    "global-max": one("GlobalMaxPool"),
    "reduce-mean": one("ReduceMean", axes=[2, 3], keepdims=0),
    "reduce-mean-18": one("ReduceMean", ints(-1, -2), opset=18),
    **{op.lower(): one(op) for op in ("Relu", "Tanh", "Sigmoid", "Identity", "Flatten")},
    "leaky-relu": one("LeakyRelu", alpha=0.2),
    "gelu": one("Gelu", opset=20),
    "gelu-tanh": one("Gelu", opset=20, approximate="tanh"),
    **{f"gelu-{order}": gelu(order) for order in ("x-first", "half-first", "half-x")},
    "relu6": one("Clip", np.float32(0), np.float32(6)),
    "relu6-attributes": one("Clip", opset=9, min=0.0, max=6.0),
    "clip-relu": one("Clip", np.float32(0)),
    "softmax": one("Softmax", axis=-1, shape=ROW),
    "scale": one("Mul", np.float32(0.3)),
    "divide": one("Div", np.array([4], np.float32)),
    "add-zero": one("Add", np.float32(0)),
    "add-positions": one("Add", numbers(1, 4, 8, 6)),
    "add": ([("Relu", ["x"], "r", {}), ("Add", ["x", "r"], "y", {})], {}, IMAGE, 17),
    "sum": ([("Relu", ["x"], "r", {}), ("Sum", ["x", "r", "x"], "y", {})], {}, IMAGE, 17),
    "swish": ([("Sigmoid", ["x"], "r", {}), ("Mul", ["x", "r"], "y", {})], {}, IMAGE, 17),
    "concat": ([("Relu", ["x"], "r", {}), ("Concat", ["x", "r", "x"], "y", {"axis": 1})], {}, IMAGE, 17),
    "reshape": one("Reshape", ints(0, -1)),
    "reshape-minus": one("Reshape", ints(-1, 32, 6)),
    "reshape-of-shape": (
        [
            ("Shape", ["x"], "s", {}), ("Gather", ["s", "zero"], "n", {"axis": 0}),
            ("Unsqueeze", ["n", "axis"], "u", {}), ("Concat", ["u", "rest"], "t", {"axis": 0}),
            ("Reshape", ["x", "t"], "y", {}),
        ],
        {"zero": np.array(0), "axis": ints(0), "rest": ints(-1)}, ("N", 4, 8, 6), 17,
    ),
    "squeeze": one("Squeeze", ints(2, 3), shape=("N", 4, 1, 1)),
    "unsqueeze": one("Unsqueeze", ints(1), shape=ROW),
    "transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "transpose-five": one("Transpose", perm=[0, 2, 1, 3, 4], shape=("N", 2, 3, 4, 5)),
    "split": ([("Split", ["x"], "a,b", {"axis": 1}), ("Mul", ["a", "b"], "y", {})], {}, ROW, 11),
    "split-widths": (
        [("Split", ["x", "w"], "a,b,c", {"axis": -1}), ("Concat", ["c", "a", "b"], "y", {"axis": 3})],
        {"w": ints(3, 1, 2)}, IMAGE, 17,
    ),
    "slice": one("Slice", ints(1, 0), ints(-1, 99), ints(1, 2)),
    "slice-attributes": one("Slice", opset=9, starts=[1], ends=[3], axes=[3]),
    "gather-one": one("Gather", np.array(-1), axis=2),
    "gather-kept": one("Gather", ints(2), axis=2),
    "transpose-free": one("Transpose", perm=[0, 3, 1, 2], shape=("N", 8, 6, 1)),
    "folded": (
        [("Mul", ["w", "two"], "w2", {}), ("MatMul", ["x", "w2"], "y", {})],
        {"w": numbers(12, 5), "two": np.float32(2)}, ROW, 17,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_imported_node_computes_what_onnx_computes(make_onnx, run_onnx, name):
    rows, constants, shape, opset = CASES[name]
    batch = 1 if name == "reshape-of-shape" else 3
    x = numbers(batch, *shape[1:], seed=7) * np.float32(4)
    path = make_onnx(rows, constants, shape, opset=opset)
    expected = run_onnx(path, x)
    if name in ("identity", "add-zero"):  # nothing is left: give it something to train
        rows = [*rows[:-1], (*rows[-1][:2], "z", rows[-1][3]), ("Relu", ["z"], "y", {})]
        path, expected = make_onnx(rows, constants, shape, opset=opset), np.maximum(expected, 0)
    imported = import_onnx(path)
    found = predict(imported.model, imported.weights, x)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_tokens_are_embedded(make_onnx, run_onnx):
    rows = [("Gather", ["table", "x"], "e", {}), ("Gather", ["e", "zero"], "f", {"axis": 1}), ("Gemm", ["f", "w"], "y", {})]
    constants = {"table": numbers(11, 6), "zero": np.array(0), "w": numbers(6, 3)}
    path = make_onnx(rows, constants, ("N", 5), dtype=7)
    x = np.random.default_rng(1).integers(0, 11, (3, 5))
    imported = import_onnx(path)
    assert imported.model.input_dtype == "u16"
    assert np.abs(predict(imported.model, imported.weights, x) - run_onnx(path, x)).max() < 1e-5


def test_transposes_around_convolutions_of_keras_cancel(make_onnx, run_onnx):
    """As tf2onnx writes a small Keras CNN: NHWC outside, a transposition before and after each convolution."""
    rows = [
        ("Transpose", ["x"], "t1", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["t1", "k1", "b1"], "c1", {"auto_pad": "SAME_UPPER"}),
        ("Relu", ["c1"], "r1", {}),
        ("Transpose", ["r1"], "t2", {"perm": [0, 2, 3, 1]}),
        ("Transpose", ["t2"], "t3", {"perm": [0, 3, 1, 2]}),
        ("MaxPool", ["t3"], "p1", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", ["p1"], "t4", {"perm": [0, 2, 3, 1]}),
        ("Reshape", ["t4", "flat"], "f", {}),
        ("MatMul", ["f", "w"], "m", {}),
        ("Add", ["m", "b"], "a", {}),
        ("Softmax", ["a"], "y", {}),
    ]
    constants = {
        "k1": numbers(5, 1, 3, 3), "b1": numbers(5), "flat": ints(-1, 80), "w": numbers(80, 10), "b": numbers(10),
    }  # fmt: skip
    path = make_onnx(rows, constants, ("N", 8, 8, 1))
    imported = import_onnx(path)
    x = numbers(2, 8, 8, 1)
    assert np.abs(predict(imported.model, imported.weights, x) - run_onnx(path, x)).max() < 1e-5
    ops = [layer.op for layer in imported.model.layers]
    assert ops.count("transpose") == 1, "only the one before the flattening moves data"
    graph = training_graph(imported.model, 2)
    assert not any(node.op.startswith("softmax_forward") for node in graph.nodes), "the loss contains the softmax"


def test_merged_zeros_are_parameters_of_their_own(make_onnx, run_onnx, tmp_path):
    """Exporters merge equal tensors: two biases of zeros, and gamma with the variance, must not be trained as one."""
    rows = [
        ("Gemm", ["x", "w", "zeros"], "g", {}),
        ("BatchNormalization", ["g", "ones", "zeros", "zeros", "ones"], "n", {}),
        ("Relu", ["n"], "r", {}),
        ("Gemm", ["r", "v", "zeros"], "y", {}),
    ]
    table = {"w": numbers(6, 6), "v": numbers(6, 6, seed=1), "zeros": np.zeros(6, np.float32), "ones": np.ones(6, np.float32)}
    path = make_onnx(rows, table, ("N", 6))
    imported = import_onnx(path)
    assert len(imported.model.parameters) == 8
    run = Reference(training_graph(imported.model, 4), imported.weights)
    x = numbers(4, 6, seed=3)
    run.step(x, np.array([0, 1, 2, 3]))
    target = write_back(path, run.weights, tmp_path / "trained.onnx")
    again = import_onnx(target)
    assert all(np.array_equal(run.weights[name], again.weights[name]) for name in run.weights)
    assert np.abs(run_onnx(target, x) - predict(imported.model, run.weights, x)).max() < 1e-5


def test_a_shared_matrix_is_one_parameter_with_both_gradients(make_onnx):
    rows = [("MatMul", ["x", "w"], "m", {}), ("Relu", ["m"], "r", {}), ("MatMul", ["r", "w"], "y", {})]
    imported = import_onnx(make_onnx(rows, {"w": numbers(6, 6)}, ("N", 6)))
    assert len(imported.model.parameters) == 1
    graph = training_graph(imported.model, 2)
    updates = [node.op for node in graph.nodes if node.mutates]
    assert updates == ["sgd_update"] and any(node.op == "accumulate" for node in graph.nodes)
