# SPDX-License-Identifier: Apache-2.0
"""A compressed network on MicroPython's unix port: the native module gives the labels of the host's whole-number network."""

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tercet.compress import codebook, fixedpoint, prune, trunk
from tercet.compress.finetune import Recipe, train
from tercet.compress.network import Network, Samples
from tercet.compress.packed import integer, pack
from tercet.compress.packed.execution import Execution
from tercet.datasets import load
from tercet.errors import InputError
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


@pytest.mark.board
def test_the_virtual_board_gives_the_labels_of_the_host_and_tells_cycles_and_energy(compressed):
    """The same on the emulated core: labels, and the sparse formats ahead of the dense one."""
    from tercet.board import bench
    from tercet.profile import packed

    model, weights, fractions = compressed
    samples = load("digits").test_x[:100]
    host = integer.lower(model, weights, fractions, 16)
    layers = ["dense1", "dense2", "dense3"]
    files = {kind: pack(model, weights, Execution(fractions, 16, dict.fromkeys(layers, kind))) for kind in ("csc", "delta")}
    subject = packed.Subject(files, samples.reshape(100, 64), host.labels(samples), ((40, 64), (20, 40), (10, 20)))
    with bench.select() as found:
        rows = {row["name"]: row for row in packed.run(found, subject, say=lambda _: None)}
    assert rows["labels-equal"]["value"] == 100
    assert 2.0 < rows["inference-cycles-dense"]["value"] / (40 * 64 + 20 * 40 + 10 * 20) < 8.0
    assert rows["csc-speedup"]["value"] > 0.8 and rows["inference-energy-dense"]["value"] > 0
    assert {row["provenance"] for row in rows.values()} == {"modelled"}


@pytest.fixture(scope="module")
def convolutional():
    """(model, fixed-point weights, grids) of a small network of convolutions."""
    digits = load("digits")
    net = Builder("conv", (1, 8, 8)).conv(6, 3, padding=1).relu().max_pool(2).conv(8, 3, stride=2, padding=(1, 0, 1, 1))
    model = net.max_pool(2, stride=1).flatten().dense(10).model()
    samples = Samples(digits.inputs(), digits.labels())
    weights = train(Network(model), initialise(model), samples, Recipe(epochs=10, batch=32, rate=5e-3))
    weights = prune.prune_once(weights, prune.named_densities(Network(model), 0.7))
    point = fixedpoint.dynamic(Network(model), weights, digits.inputs()[:200], weight_bits=4)
    return model, point.weights, point.fractions


@pytest.mark.skipif(not MICROPYTHON.exists() or not NATIVE.exists(), reason="not built: make firmware kernels")
@pytest.mark.parametrize("form", ["dense", "delta", "csc", "table4"])
def test_convolutions_give_the_labels_of_the_host(convolutional, form, tmp_path):
    model, weights, fractions = convolutional
    samples = load("digits").test_x[:60]
    settings = Execution(fractions, 16, dict.fromkeys(["conv2d1", "conv2d2", "dense1"], form))
    (tmp_path / "model.trz").write_bytes(pack(model, weights, settings))
    (tmp_path / "samples.bin").write_bytes(samples.tobytes())
    (tmp_path / "program.py").write_text(PROGRAM.format(library=str(ROOT / "device_lib"), native=str(NATIVE.parent)))
    done = subprocess.run(
        [str(MICROPYTHON), "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    labels, logits = (np.array(line.split(), np.int64) for line in done.stdout.splitlines())
    host = integer.lower(model, weights, fractions, 16)
    assert np.array_equal(labels, host.labels(samples))
    assert np.array_equal(logits, host.logits(samples[1:2])[0])


@pytest.mark.skipif(not MICROPYTHON.exists() or not NATIVE.exists(), reason="not built: make firmware kernels")
def test_signals_give_the_labels_of_the_host(tmp_path):
    net = Builder("signal", (2, 32)).conv(6, 5, padding=2).relu().max_pool(2).conv(4, 3).relu().flatten().dense(10)
    model, digits = net.model(), load("digits")
    weights = initialise(model, 1)
    point = fixedpoint.dynamic(Network(model), weights, digits.inputs()[:100])
    settings = Execution(point.fractions, 16, {"conv2d1": "dense", "conv2d2": "csc", "dense1": "dense"})
    (tmp_path / "model.trz").write_bytes(pack(model, point.weights, settings))
    (tmp_path / "samples.bin").write_bytes(digits.test_x[:40].tobytes())
    (tmp_path / "program.py").write_text(PROGRAM.format(library=str(ROOT / "device_lib"), native=str(NATIVE.parent)))
    done = subprocess.run(
        [str(MICROPYTHON), "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    host = integer.lower(model, point.weights, point.fractions, 16)
    assert done.stdout.splitlines()[0].split() == [str(label) for label in host.labels(digits.test_x[:40])]


TRUNK = """
import sys
sys.path[:] = [{library!r}, {native!r}, {kernels!r}, ".frozen"]
from tercet_device import trunk
print(trunk.features("trunk.trz", "data.tds", "features.tds"))
"""


@pytest.mark.skipif(not MICROPYTHON.exists() or not NATIVE.exists(), reason="not built: make firmware kernels")
def test_a_compressed_trunk_makes_the_features_on_which_its_head_is_trained(compressed, tmp_path):
    model, weights, fractions = compressed
    digits = load("digits")
    settings = Execution(fractions, 16, {"dense1": "csc", "dense2": "delta", "dense3": "dense"})
    parts = trunk.split(model, weights, settings)
    samples, labels = digits.train_x[:300].reshape(300, 64), digits.train_y[:300]
    head = struct.pack("<4sIIIIIIff", b"TDS1", 300, 240, 64, 1, 2, 10, 1 / 16, 0)
    (tmp_path / "trunk.trz").write_bytes(parts.file())
    (tmp_path / "data.tds").write_bytes(head + samples.tobytes() + labels.astype("<u2").tobytes())
    (tmp_path / "program.py").write_text(TRUNK.format(
        library=str(ROOT / "device_lib"), native=str(NATIVE.parent), kernels=str(NATIVE.parents[1] / "mlp")))
    done = subprocess.run(
        [str(MICROPYTHON), "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0 and done.stdout == "300\n", done.stdout + done.stderr
    found = (tmp_path / "features.tds").read_bytes()
    expected = parts.features(samples)
    fields = struct.unpack("<4sIIIIIIff", found[:36])
    assert fields == (b"TDS1", 300, 240, 20, 1, 2, 10, parts.scale, 0)
    assert np.array_equal(np.frombuffer(found[36:-600], np.uint8).reshape(300, 20), expected)
    assert np.array_equal(np.frombuffer(found[-600:], "<u2"), labels)
    x = expected * np.float32(parts.scale)
    net, train_on = Network(parts.head), Samples(x, labels)
    trained = train(net, parts.head_weights, train_on, Recipe(epochs=20, batch=16, rate=1e-2))
    assert net.error_percent(trained, train_on) < net.error_percent(parts.head_weights, train_on)
    for bad in (0, 3):
        with pytest.raises(InputError):
            trunk.split(model, weights, settings, bad)
