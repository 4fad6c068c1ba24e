# SPDX-License-Identifier: Apache-2.0
"""ONNX files made by hand, and what the onnx package itself computes from them."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def onnx():
    """The onnx package."""
    return pytest.importorskip("onnx", reason="the onnx package is absent: pip install 'tercet[onnx]'")


@pytest.fixture
def make_onnx(tmp_path, onnx):
    """Writes an ONNX file from (op, inputs, output, attributes) rows and constants; returns its path."""
    helper = onnx.helper

    def make(rows, constants, shape, *, opset=17, dtype=1, name="net.onnx"):
        nodes = [helper.make_node(op, ins, out.split(","), name=f"n_{out}", **attrs) for op, ins, out, attrs in rows]
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", dtype, shape)],
            [helper.make_tensor_value_info(rows[-1][2], 1, ("N", "M"))],
            [onnx.numpy_helper.from_array(value, key) for key, value in constants.items()],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        path = tmp_path / name
        path.write_bytes(proto.SerializeToString())
        return path

    return make


@pytest.fixture(scope="session")
def run_onnx(onnx):
    """The output that the onnx package's reference evaluator computes."""
    from onnx.reference import ReferenceEvaluator

    def run(path, x):
        return ReferenceEvaluator(str(path)).run(None, {"x": np.asarray(x)})[0]

    return run
