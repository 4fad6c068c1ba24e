# SPDX-License-Identifier: Apache-2.0
"""PyTorch's view of a tercet model, and gradients of both in double precision."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.kernels.elementwise import philox_uniform
from tercet.autodiff.reference import Reference
from tercet.model import initialise


@pytest.fixture(scope="session")
def torch():
    """PyTorch with one thread, in double precision."""
    module = pytest.importorskip("torch", reason="PyTorch is absent: pip install torch")
    module.set_num_threads(1)
    return module


def _image(torch, layer, x, p):
    """Convolution and pooling; a signal is an image of height 1."""
    signal = x.dim() == 3
    x = x.unsqueeze(2) if signal else x
    top, left, bottom, right = layer.attrs["pad"]
    padded = torch.nn.functional.pad(x, (left, right, top, bottom), value=_fill(layer))
    y = _windowed(torch.nn.functional, layer, padded, p, x)
    return y.squeeze(2) if signal else y


def _activation(torch, a, x):
    F = torch.nn.functional
    kinds = {"relu": F.relu, "relu6": F.relu6, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu}
    kinds["leaky_relu"] = lambda v: F.leaky_relu(v, float(np.float32(a["alpha"])))
    kinds["gelu_tanh"] = lambda v: F.gelu(v, approximate="tanh")
    return kinds[a["kind"]](x)


def _batch_norm(torch, a, x, p, training):
    stats = (None, None) if training else (p["running_mean"], p["running_variance"])
    epsilon = float(np.float32(a["epsilon"]))
    return torch.nn.functional.batch_norm(x, *stats, p["gamma"], p["beta"], training, 0.1, epsilon)


def _dropout(torch, a, x):
    kept = philox_uniform(x.numel(), a["stream"] * 256, 0, 0) >= np.float32(a["drop"])
    return x * torch.tensor(kept.reshape(x.shape)) / (1 - float(np.float32(a["drop"])))


def _scores(torch, a, xs):
    q, k = (v.reshape(*v.shape[:2], a["heads"], -1).transpose(1, 2) for v in xs)
    scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    if a["causal"]:
        scores = scores.masked_fill(torch.triu(torch.ones_like(scores[0, 0], dtype=bool), 1), -torch.inf)
    return torch.softmax(scores, -1)


def _mix(p, v):
    heads = v.reshape(*v.shape[:2], p.shape[1], -1).transpose(1, 2)
    return (p @ heads).transpose(1, 2).reshape(v.shape)


def _layer(torch, layer, xs, p, training):
    """One layer in PyTorch; attributes as in tercet's model."""
    F, a, x = torch.nn.functional, layer.attrs, xs[0]
    functions = {
        "dense": lambda: F.linear(x, p["w"], p.get("b")),
        **dict.fromkeys(("conv2d", "max_pool", "average_pool"), lambda: _image(torch, layer, x, p)),
        "batch_norm": lambda: _batch_norm(torch, a, x, p, training),
        "activation": lambda: _activation(torch, a, x),
        "dropout": lambda: _dropout(torch, a, x),
        "attention_scores": lambda: _scores(torch, a, xs),
        "attention_mix": lambda: _mix(*xs),
        "global_average_pool": lambda: x.mean(dim=tuple(range(2, x.dim()))),
        "softmax": lambda: torch.softmax(x, -1),
        "scale": lambda: x * float(np.float32(a["factor"])),
        "add": lambda: sum(xs[1:], xs[0]),
        "multiply": lambda: xs[0] * xs[1],
        "concat": lambda: torch.cat(xs, a["axis"] + 1),
        "reshape": lambda: x.reshape(len(x), *a["shape"]),
        "flatten": lambda: x.flatten(1),
        "transpose": lambda: x.permute(0, *(axis + 1 for axis in a["axes"])),
        "group_norm": lambda: F.group_norm(x, a["groups"], p["gamma"], p["beta"], float(np.float32(a["epsilon"]))),
        "layer_norm": lambda: F.layer_norm(x, x.shape[-1:], p["gamma"], p["beta"], float(np.float32(a["epsilon"]))),
        "embedding": lambda: F.embedding(x, p["w"]),
        "position": lambda: x + p["w"],
        "slice": lambda: x.narrow(a["axis"] + 1, a["first"], a["width"]),
    }
    return functions[layer.op]()


def _fill(layer):
    return -np.inf if layer.op == "max_pool" else 0.0


def _windowed(F, layer, padded, p, x):
    a = layer.attrs
    if layer.op == "conv2d":
        return F.conv2d(padded, p["w"], p.get("b"), stride=a["stride"], groups=a["groups"])
    if layer.op == "max_pool":
        return F.max_pool2d(padded, a["kernel"], a["stride"])
    y = F.avg_pool2d(padded, a["kernel"], a["stride"])
    if a["count_padding"]:
        return y
    top, left, bottom, right = a["pad"]
    share = F.avg_pool2d(F.pad(x.new_ones(x.shape), (left, right, top, bottom)), a["kernel"], a["stride"])
    return y / share


def _forward(torch, model, params, x, training=True, cut=None):
    values = {"input": torch.tensor(x)}
    for layer in model.layers:
        if layer is cut:
            break
        p = {role: params[name] for role, name in layer.parameters.items()}
        values[layer.name] = _layer(torch, layer, [values[n] for n in layer.inputs], p, training)
    return values[list(values)[-1]]


def _loss(torch, name, y, target):
    F = torch.nn.functional
    if name == "softmax_cross_entropy":
        return F.cross_entropy(y.reshape(-1, y.shape[-1]), torch.tensor(target.astype(np.int64).reshape(-1)))
    functions = {
        "mean_squared_error": F.mse_loss,
        "mean_absolute_error": F.l1_loss,
        "huber": F.huber_loss,
        "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    }
    return functions[name](y, torch.tensor(target))


@pytest.fixture(scope="session")
def mirror(torch):
    """`forward(model, params, x)`, `loss(name, y, target)` and `parameters(weights)` in PyTorch, double precision."""

    def parameters(weights, trained):
        return {n: torch.tensor(np.asarray(w, np.float64), requires_grad=n in trained) for n, w in weights.items()}

    return SimpleNamespace(
        forward=lambda *args, **extra: _forward(torch, *args, **extra),
        loss=lambda *args: _loss(torch, *args),
        parameters=parameters,
        torch=torch,
    )


def random_weights(model, seed=0):
    """Weights away from the special points of initialisation (zeros, ones, symmetry), in double precision."""
    generator = np.random.default_rng(seed)
    weights = {name: value.astype(np.float64) for name, value in initialise(model, seed).items()}
    plain = [n for n, value in weights.items() if value.ndim == 1 and not n.endswith("running_variance")]
    return weights | {n: weights[n] + 0.1 * generator.standard_normal(weights[n].shape) for n in plain}


def random_data(model, batch, loss, seed=1):
    """(x, labels or targets) for a model."""
    generator = np.random.default_rng(seed)
    shape = model.output_shape
    if model.input_dtype == "f32":
        x = generator.standard_normal((batch, *model.input_shape))
    else:
        x = generator.integers(0, model.layers[0].attrs["vocabulary"], (batch, *model.input_shape))
    if loss == "softmax_cross_entropy":
        return x, generator.integers(0, shape[-1], (batch, *shape[:-1])).astype(np.uint16)
    if loss == "binary_cross_entropy":
        return x, generator.integers(0, 2, (batch, *shape)).astype(np.float64)
    return x, generator.standard_normal((batch, *shape))


@pytest.fixture(scope="session")
def tools():
    """Weights and data for tests."""
    return SimpleNamespace(weights=random_weights, data=random_data)


@pytest.fixture(scope="session")
def compare(mirror):
    """A function that holds every gradient of a model to PyTorch's, relative to the gradient's largest element."""

    def run(model, *, batch=3, loss="softmax_cross_entropy", tolerance=1e-5, **options):
        trained = {n for n, p in model.parameters.items() if p.trainable}
        weights, (x, target) = random_weights(model), random_data(model, batch, loss)
        graph = training_graph(model, batch, loss, {"name": "sgd", "rate": 1.0}, **options)
        run = Reference(graph, weights, dtype=np.float64)
        metric = run.step(x, target)
        after = weights | run.weights
        params = mirror.parameters(weights, trained)
        expected = mirror.loss(loss, mirror.forward(model, params, x), target)
        expected.backward()
        assert metric[0] / graph.samples == pytest.approx(expected.item(), rel=tolerance)
        for name in trained:
            gradient = params[name].grad
            if gradient is None:  # nothing depends on it
                assert np.array_equal(weights[name], after[name]), name
                continue
            found = weights[name] - after[name]
            scale = max(float(gradient.abs().max()), 1e-6)
            assert np.abs(found - gradient.numpy()).max() <= tolerance * scale, name
        for name in set(weights) - trained - {n for n in weights if "running" in n}:
            assert np.array_equal(weights[name], after[name]), name
        return graph

    return run
