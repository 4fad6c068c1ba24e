# SPDX-License-Identifier: Apache-2.0
"""The native kernels on the board against plain NumPy, shape by shape."""

import numpy as np
import pytest
from tercet import targets
from tercet.board import sync
from tercet.kernel_table import HYPER, KERNELS
from tercet.profile.bench import LIBRARY_PATH
from tercet.train.session import library_files

RATE = 0.125


@pytest.fixture
def kernels(board, bench):
    sync.sync(board, dict(library_files(targets.load(bench.target), "mlp")))
    board.soft_reset()
    board.exec(f"{LIBRARY_PATH}import tercet_kernels as k\nfrom array import array")
    return board


def execute(board, op, operands, dims):
    """The operands after one run of an operator; `operands` are arrays in the table's order."""
    offsets, arena = [], b""
    for operand in operands:
        offsets.append(len(arena))
        arena += operand.tobytes().ljust(-(-operand.nbytes // 16) * 16, b"\0")
    sync.put_buffer(board, "arena", arena)
    hyper = [RATE if name == "rate" else 0.5 for name in HYPER]
    code = board.eval(f"k.exec({KERNELS[op].opcode}, array('I', {[*offsets, *dims]}), arena, array('f', {hyper}))")
    assert code == 0
    result = sync.get_buffer(board, "arena")
    return [
        np.frombuffer(result[at : at + operand.nbytes], operand.dtype).reshape(operand.shape)
        for at, operand in zip(offsets, operands, strict=True)
    ]


def numbers(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


SHAPES = [(1, 1, 1), (1, 64, 10), (3, 7, 5), (4, 16, 16), (5, 33, 9), (16, 64, 48), (2, 48, 48)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", [0, 1, 2, 3])
def test_dense_forward(kernels, shape, activation):
    batch, inputs, outputs = shape
    x, w, b = numbers(1, batch, inputs), numbers(2, outputs, inputs), numbers(3, outputs)
    y = execute(kernels, "dense_forward", [np.zeros((batch, outputs), np.float32), x, w, b], [*shape, activation])[0]
    z = x @ w.T + b
    expected = [z, np.maximum(z, 0), np.tanh(z), 1 / (1 + np.exp(-z))][activation]
    assert np.allclose(y, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_dense_backward_data(kernels, shape):
    batch, inputs, outputs = shape
    dz, w = numbers(4, batch, outputs), numbers(5, outputs, inputs)
    dx = execute(kernels, "dense_backward_data", [np.zeros((batch, inputs), np.float32), dz, w], shape)[0]
    assert np.allclose(dx, dz @ w, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_dense_update_sgd(kernels, shape):
    batch, inputs, outputs = shape
    w, b, dz, x = numbers(6, outputs, inputs), numbers(7, outputs), numbers(8, batch, outputs), numbers(9, batch, inputs)
    new_w, new_b, *_ = execute(kernels, "dense_update_sgd", [w, b, dz, x], shape)
    assert np.allclose(new_w, w - RATE * dz.T @ x, rtol=2e-5, atol=2e-6)
    assert np.allclose(new_b, b - RATE * dz.sum(0), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("batch", [1, 7, 48])
def test_softmax_cross_entropy(kernels, batch):
    logits, labels = 3 * numbers(10, batch, 10), (np.arange(batch) * 3 % 10).astype(np.uint16)
    metric = np.zeros(2, np.float32)
    gradient, told, _ = execute(kernels, "softmax_cross_entropy", [logits, metric, labels], [batch, 10])
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert told[0] == pytest.approx(-np.log(p[np.arange(batch), labels]).sum(), rel=1e-4)
    assert told[1] == (logits.argmax(1) == labels).sum()
    p[np.arange(batch), labels] -= 1
    assert np.allclose(gradient, p / batch, atol=1e-6)


def test_an_unknown_operator_is_refused(kernels):
    assert kernels.eval("k.exec(239, array('I', [0]), bytearray(16), array('f', [0] * 16))") == -1
