# SPDX-License-Identifier: Apache-2.0
"""A PyTorch user's path on the host: exported, imported, trained like PyTorch, and back."""

import copy

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is absent: pip install torch")
from onnx.reference import ReferenceEvaluator
from tercet.autodiff import training_graph
from tercet.autodiff.reference import Reference, predict
from tercet.model.exchange import import_onnx, write_back
from tercet.model.folding import fold_batch_norm

pytestmark = pytest.mark.filterwarnings("ignore")
nn, F = torch.nn, torch.nn.functional


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6)
        self.second, self.last = nn.Conv2d(6, 8, 3, padding=1, groups=2), nn.Linear(8 * 9, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.norm(self.first(x))), 2)
        x = F.gelu(self.second(x))
        return self.last(x.view(x.size(0), -1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.one = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.deep, self.last = nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Linear(4, 10)

    def forward(self, x):
        x = F.relu6(self.stem(x))
        x = F.leaky_relu(self.deep(torch.tanh(self.one(x))) + x, 0.1)
        return F.log_softmax(self.last(F.adaptive_avg_pool2d(x, 1).flatten(1)), dim=1)


class Attention(nn.Module):
    """A pre-norm attention block, its heads laid out in the ways people write."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.norm, self.joint, self.out = kind, nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.parts, self.head = nn.ModuleList(nn.Linear(16, 16) for _ in range(3)), nn.Linear(16, 10)
        self.register_buffer("mask", torch.tril(torch.ones(6, 6)).view(1, 1, 6, 6))

    def forward(self, x):
        batch, tokens, width = x.shape
        h = self.norm(x)
        found = [part(h) for part in self.parts] if self.kind == "plain" else self.joint(h).split(width, dim=2)
        q, k, v = (part.view(batch, tokens, 4, 4).transpose(1, 2) for part in found)
        if self.kind == "torch":
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) / 2.0
            if self.kind == "masked":
                scores = scores.masked_fill(self.mask[:, :, :tokens, :tokens] == 0, float("-inf"))
            y = torch.softmax(scores, dim=-1) @ v
        y = y.transpose(1, 2).contiguous().view(batch, tokens, width)
        return self.head((x + self.out(y))[:, 0])


@pytest.mark.parametrize(("kind", "dynamo"), [("plain", False), ("masked", False), ("torch", False), ("torch", True)])
def test_attention_is_recognised_however_it_is_written(tmp_path, kind, dynamo):
    torch.manual_seed(1)
    net, path = Attention(kind).eval(), tmp_path / "net.onnx"
    open_batch = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if dynamo else {}
    if dynamo:
        pytest.importorskip("onnxscript", reason="onnxscript is absent: pip install onnxscript")
    torch.onnx.export(net, (torch.zeros(2, 6, 16),), str(path), dynamo=dynamo, input_names=["x"], **open_batch)
    imported = import_onnx(path)
    scores = [layer for layer in imported.model.layers if layer.op == "attention_scores"]
    assert [layer.attrs["causal"] for layer in scores] == [kind != "plain"]
    assert not any(layer.op in ("transpose", "scale") for layer in imported.model.layers)
    x = np.random.default_rng(2).standard_normal((3, 6, 16)).astype(np.float32)
    expected = net(torch.tensor(x)).detach().numpy()
    assert np.abs(predict(imported.model, imported.weights, x) - expected).max() < 1e-5
    assert training_graph(imported.model, 3).nodes


def export(net, path, dynamo, training=False):
    net.train(training)
    x = torch.randn(2, 1, 8, 8)
    if dynamo:
        pytest.importorskip("onnxscript", reason="onnxscript is absent: pip install onnxscript")
        shapes = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    else:
        shapes = {"dynamic_axes": {"x": {0: "batch"}}, "do_constant_folding": not training}
        if training:
            shapes["training"] = torch.onnx.TrainingMode.TRAINING
    torch.onnx.export(net, (x,), str(path), dynamo=dynamo, input_names=["x"], **shapes)
    return path


@pytest.fixture(params=[False, True], ids=["torchscript", "dynamo"])
def dynamo(request):
    return request.param


@pytest.mark.parametrize("kind", [Cnn, Residual])
def test_an_exported_network_computes_the_same(tmp_path, kind, dynamo):
    torch.manual_seed(1)
    net = kind()
    imported = import_onnx(export(net, tmp_path / "net.onnx", dynamo))
    x = np.random.default_rng(2).standard_normal((5, 1, 8, 8)).astype(np.float32)
    expected = net.eval()(torch.tensor(x)).detach().numpy()
    found = predict(imported.model, imported.weights, x)
    if kind is Residual:
        assert imported.model.layers[-1].op == "softmax"
        expected = np.exp(expected)
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Residual, {"name": "sgd", "rate": 0.1}),
        (Cnn, {"name": "sgd", "rate": 0.05, "decay": 1e-3}),
        (Residual, {"name": "adam", "rate": 1e-3}),
    ],
)
def test_ten_steps_lose_what_pytorch_loses(tmp_path, kind, settings):
    """f32 on both sides; the requirement on the board is 1e-3."""
    torch.manual_seed(1)
    net = kind()
    imported = import_onnx(export(copy.deepcopy(net), tmp_path / "net.onnx", False, training=True))
    for name, origin in imported.origins.items():  # the exporter's own run has moved the running statistics
        net.state_dict()[origin.tensor].copy_(torch.tensor(imported.weights[name]))
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[settings["name"]]
    optimizer = make(net.parameters(), lr=settings["rate"], weight_decay=settings.get("decay", 0.0))
    run = Reference(training_graph(imported.model, 8, optimizer=settings), imported.weights)
    generator = np.random.default_rng(3)
    for _ in range(10):
        x, labels = generator.standard_normal((8, 1, 8, 8)).astype(np.float32), generator.integers(0, 10, 8)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(torch.tensor(x)), torch.tensor(labels))
        loss.backward()
        optimizer.step()
        assert run.step(x, labels)[0] / 8 == pytest.approx(loss.item(), rel=1e-4)
    after = net.state_dict()
    for name, origin in imported.origins.items():
        expected = after[origin.tensor].numpy()
        assert np.abs(run.weights[name] - expected).max() < 1e-4 * max(1.0, np.abs(expected).max()), name


def test_trained_weights_go_back_into_the_file(tmp_path, dynamo):
    torch.manual_seed(1)
    source = export(Cnn(), tmp_path / "net.onnx", dynamo)
    imported = import_onnx(source)
    generator = np.random.default_rng(4)
    x, labels = generator.standard_normal((8, 1, 8, 8)).astype(np.float32), generator.integers(0, 10, 8)
    run = Reference(training_graph(imported.model, 8), imported.weights)
    run.step(x, labels)
    target = write_back(source, run.weights, tmp_path / "trained.onnx")
    expected = predict(imported.model, run.weights, x)
    assert np.abs(ReferenceEvaluator(str(target)).run(None, {"x": x})[0] - expected).max() < 1e-4
    assert np.abs(ReferenceEvaluator(str(source)).run(None, {"x": x})[0] - expected).max() > 1e-3
    before, after = onnx.load(str(source)), onnx.load(str(target))
    assert [node.op_type for node in before.graph.node] == [node.op_type for node in after.graph.node]


@pytest.mark.parametrize("everything", [False, True])
def test_folded_batch_normalisation_computes_the_same(tmp_path, everything):
    torch.manual_seed(1)
    net = Cnn()
    net.norm.running_mean.normal_()
    net.norm.weight.data.normal_()
    imported = import_onnx(export(net, tmp_path / "net.onnx", False, training=True))
    model = imported.model if everything else imported.model.frozen(last=1)
    folded, weights = fold_batch_norm(model, imported.weights, everything=everything)
    assert not any(layer.op == "batch_norm" for layer in folded.layers)
    x = np.random.default_rng(2).standard_normal((5, 1, 8, 8)).astype(np.float32)
    assert np.abs(predict(folded, weights, x) - predict(model, imported.weights, x)).max() < 1e-5
    untouched, _ = fold_batch_norm(imported.model, imported.weights)
    assert untouched == imported.model, "what is trained is not folded unless asked for"
