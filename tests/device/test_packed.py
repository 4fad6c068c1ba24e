# SPDX-License-Identifier: Apache-2.0
"""A compressed network on MicroPython's unix port: the native module gives the labels of the host's whole-number network."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from tercet.compress import codebook, fixedpoint, prune
from tercet.compress.finetune import Recipe, train
from tercet.compress.network import Network, Samples
from tercet.compress.packed import integer, pack
from tercet.compress.packed.execution import Execution
from tercet.datasets import load
from tercet.model import Builder, initialise

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = ROOT / "build" / "firmware" / "unix" / "micropython"
NATIVE = ROOT / "build" / "firmware" / "natmod" / "x64" / "packed" / "tercet_packed.mpy"
PROGRAM = """
import sys
sys.path[:] = [{library!r}, {native!r}, ".frozen"]
from tercet_device.classify import Classifier
net = Classifier(open("model.trz", "rb").read())
samples = open("samples.bin", "rb").read()
print(*[net.label(samples, at) for at in range(0, len(samples), net.inputs)])
print(*net.logits(samples, 64))
"""


@pytest.fixture(scope="module")
def compressed():
    """(model, weights with at most 16 values a layer on 8 bits, feature map grids) of a pruned digit classifier."""
    digits = load("digits")
    samples = Samples(digits.inputs(), digits.labels())
    model = Builder("digits", (1, 8, 8)).flatten().dense(40).relu().dense(20).relu().dense(10).model()
    net = Network(model)
    recipe = Recipe(epochs=10, batch=32, rate=5e-3)
    weights = prune.prune(net, train(net, initialise(model), samples, recipe), samples, prune.named_densities(net, 0.3), recipe)
    weights |= {name: fixedpoint.round_bias(value) for name, value in weights.items() if name.endswith(".b")}
    bits = dict.fromkeys([f"dense{at}.w" for at in (1, 2, 3)], 1)
    biases = {name for name in weights if name.endswith(".b")}
    shared = codebook.share(net, weights, samples, bits, recipe, value_bits=8, frozen=biases)
    return model, shared, fixedpoint.calibrate(net, shared, shared, digits.inputs()[:200])


@pytest.mark.skipif(not MICROPYTHON.exists() or not NATIVE.exists(), reason="not built: make firmware kernels")
@pytest.mark.parametrize("form", ["dense", "delta", "csc", "table4", "table2"])
def test_the_board_gives_the_labels_of_the_host(compressed, form, tmp_path):
    model, weights, fractions = compressed
    digits = load("digits")
    settings = Execution(fractions, 16, dict.fromkeys(["dense1", "dense2", "dense3"], form))
    (tmp_path / "model.trz").write_bytes(pack(model, weights, settings))
    (tmp_path / "samples.bin").write_bytes(digits.test_x.tobytes())
    (tmp_path / "program.py").write_text(PROGRAM.format(library=str(ROOT / "device_lib"), native=str(NATIVE.parent)))
    done = subprocess.run(
        [str(MICROPYTHON), "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    labels, logits = (np.array(line.split(), np.int64) for line in done.stdout.splitlines())
    host = integer.lower(model, weights, fractions, 16)
    assert np.array_equal(labels, host.labels(digits.test_x))
    assert np.array_equal(logits, host.logits(digits.test_x[1:2])[0])
    assert np.mean(labels != digits.test_y) < 0.2
