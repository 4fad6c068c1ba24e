# SPDX-License-Identifier: Apache-2.0
"""The tables agree with each other and with what is generated from them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.kernels import KERNELS as REFERENCE
from tercet.autodiff.work import elements, flops, macs, workspace_bytes
from tercet.kernel_table import KERNELS, join_float, named_dims, split_count, split_float
from tercet.model import zoo

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_has_every_kernel():
    assert {name for name in KERNELS if not name.startswith("read_")} == set(REFERENCE)


def test_the_page_of_operators_is_up_to_date():
    command = [sys.executable, ROOT / "docs/generate_operators.py", "--check", ROOT / "docs/operators.md"]
    assert subprocess.run(command, check=False).returncode == 0, "run: python docs/generate_operators.py > docs/operators.md"


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e-5, 3.4e38])
def test_numbers_survive_their_two_dimensions(value):
    assert join_float(*split_float(value)) == np.float32(value)
    assert split_count(300_000) == (300_000 & 0xFFFF, 4)
    assert named_dims("scale", (*split_count(300_000), *split_float(value))) == {
        "count": 300_000, "factor": np.float32(value),
    }  # fmt: skip


def test_every_node_of_the_zoo_follows_the_table():
    for name in zoo.ZOO:
        graph = training_graph(zoo.build(name), 2, zoo.LOSS.get(name, "softmax_cross_entropy"))
        for node in graph.nodes:
            row = KERNELS[node.op]
            order = [operand for operand in row.tensors if operand in node.operands]
            assert list(node.operands) == order
            assert set(row.tensors) - set(order) <= set(row.optional), node
            assert len(node.dims) == len(row.dims)
            aliases = {(node.operands[output], node.operands[source]) for output, source in row.aliases}
            for pair in node.inplace:
                assert pair in aliases or pair[1] not in node.operands.values(), node
                before, after = graph.tensors[pair[1]], graph.tensors[pair[0]]
                assert before.nbytes == after.nbytes


def test_work_is_counted():
    assert macs("dense_update_sgd", (8, 32, 10)) == 8 * 32 * 10
    assert flops("dense_forward", (8, 32, 10, 0)) == 2 * 8 * 32 * 10
    conv = (2, 16, 32, 32, 16, 32, 32, 3, 3, 1, 1, 1, 1, 1)
    assert macs("conv2d_backward_data", conv) == 2 * 16 * 16 * 9 * 32 * 32
    assert macs("conv2d_forward", (*conv[:-1], 4, 1)) == 2 * 16 * 4 * 9 * 32 * 32
    assert macs("depthwise_forward", (1, 8, 9, 9, 9, 9, 3, 3, 1, 1, 1, 1, 0)) == 8 * 9 * 81
    assert elements("maxpool2d_backward", (1, 8, 8, 8, 4, 4, 2, 2, 2, 2, 0, 0)) == 8 * 64
    assert flops("activation_backward", (100, 0, 1)) == 200
    assert elements("softmax_forward", (5, 7)) == 35
    assert elements("groupnorm_forward", (2, 8, 25, 4, *split_float(1e-5))) == 400
    assert all(workspace_bytes(op, (1,) * len(row.dims)) % 16 == 0 for op, row in KERNELS.items())


def test_the_examples_of_the_models_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/models.md").read_text()
    names: dict[str, object] = {}
    for block in text.split("```python\n")[1:]:
        exec(block.split("```")[0], names)
    assert 0 <= names["share"] <= 1 and len(names["losses"]) == 2
