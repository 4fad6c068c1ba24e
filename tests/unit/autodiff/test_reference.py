# SPDX-License-Identifier: Apache-2.0
"""The NumPy reference executes schedules with real freeing, and refuses those that would compute something else."""

from dataclasses import dataclass

import numpy as np
import pytest
from tercet.autodiff import graph as graphs
from tercet.autodiff import training_graph
from tercet.autodiff.kernels.elementwise import philox_uniform
from tercet.autodiff.reference import IllegalScheduleError, Reference, evaluate, predict, train
from tercet.errors import InputError
from tercet.model import Builder, initialise, mlp, zoo


@dataclass(frozen=True)
class Compute:
    node: str


@dataclass(frozen=True)
class Recompute:
    node: str


@dataclass(frozen=True)
class Update:
    node: str


@dataclass(frozen=True)
class PageOut:
    tensor: str


@dataclass(frozen=True)
class PageIn:
    tensor: str


@dataclass(frozen=True)
class Free:
    tensor: str


MODEL = mlp("t", [6, 8, 8, 8, 4])


def setting(batch=5, seed=0, **options):
    graph = training_graph(MODEL, batch, **options)
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((batch, 6)).astype(np.float32)
    return graph, initialise(MODEL, seed), x, generator.integers(0, 4, batch)


def in_order(graph):
    return [Update(n.name) if n.mutates else Compute(n.name) for n in graph.nodes]


def before(actions, node, *extra):
    """The actions with others put right before the first run of a node."""
    position = next(i for i, a in enumerate(actions) if getattr(a, "node", "") == node)
    return [*actions[:position], *extra, *actions[position:]]


def after(actions, node, *extra):
    position = next(i for i, a in enumerate(actions) if getattr(a, "node", "") == node) + 1
    return [*actions[:position], *extra, *actions[position:]]


def lean(graph):
    """Frees the input and two activations after use; one comes back from its page, the others are computed again."""
    actions = after(in_order(graph), "dense2", PageOut("dense1"), Free("dense1"))
    actions = after(actions, "dense3", Free("dense2"), Free("x"))
    reader = "update" if "dense3.update" in {n.name for n in graph.nodes} else "backward_weights"
    actions = before(actions, f"dense3.{reader}", PageIn("dense1"), Recompute("dense2"))
    actions = after(actions, f"dense2.{reader}", Free("dense2"))
    return before(actions, f"dense1.{reader}", Recompute("read_input"))


@pytest.mark.parametrize("optimizer", [{"name": "sgd"}, {"name": "momentum"}, {"name": "adam"}])
def test_a_schedule_gives_the_very_weights_of_node_order(optimizer):
    graph, weights, x, labels = setting(optimizer=optimizer)
    plain, lean_run = Reference(graph, weights), Reference(graph, weights)
    for _ in range(3):
        assert np.array_equal(plain.step(x, labels), lean_run.step(x, labels, actions=lean(graph)))
    for name, value in plain.weights.items():
        assert np.array_equal(value, lean_run.weights[name]), name


ILLEGAL = {
    "a freed tensor is read": (lambda a: after(a, "dense2", Free("dense1")), "dense2.update|dense1 is not in memory"),
    "an overwritten tensor is read": (lambda a: after(a, "loss", PageOut("dense4")), "dense4 is not in memory"),
    "a page that never was": (lambda a: after(a, "dense2", PageIn("dense1")), "never paged out"),
    "two copies": (lambda a: after(a, "dense2", PageOut("dense1"), PageIn("dense1")), "in memory already"),
    "an update twice": (lambda a: [*a, Update("dense1.update")], "must run once"),
    "an update repeated": (lambda a: after(a, "dense4.update", Recompute("dense4.update")), "must run once"),
    "computed twice": (lambda a: after(a, "dense1", Compute("dense1")), "computed twice"),
    "recomputed too early": (lambda a: before(a, "dense1", Recompute("dense1")), "before it was computed"),
    "recomputed with new weights": (
        lambda a: after(a, "dense2.update", Recompute("dense2")), "after its weights were updated",
    ),
    "weights lost": (lambda a: before(a, "dense1", Free("dense1.w")), "would be lost"),
    "weights lost with an old page": (
        lambda a: [*before(a, "dense1", PageOut("dense1.w")), Free("dense1.w")], "would be lost",
    ),
    "no such node": (lambda a: [*a, Recompute("dense9")], "no such node"),
    "left out": (lambda a: a[:-1], "leaves out the update dense1.update"),
    "no metric": (lambda a: [*a, Free("metric")], "without the metric"),
}  # fmt: skip


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_schedule_is_refused(name):
    change, words = ILLEGAL[name]
    graph, weights, x, labels = setting()
    with pytest.raises(IllegalScheduleError, match=words):
        Reference(graph, weights).step(x, labels, actions=change(in_order(graph)))


def test_weights_may_live_on_the_card_between_steps():
    graph, weights, x, labels = setting()
    actions = [PageIn("dense3.w"), *in_order(graph), PageOut("dense3.w"), Free("dense3.w")]
    run, plain = Reference(graph, weights), Reference(graph, weights)
    run.step(x, labels, actions=actions[1:])
    run.step(x, labels, actions=actions)
    plain.step(x, labels)
    plain.step(x, labels)
    assert "dense3.w" not in run.buffers
    assert np.array_equal(run.weights["dense3.w"], plain.weights["dense3.w"])


def test_a_freed_buffer_is_poisoned():
    graph, weights, x, labels = setting()
    run = Reference(graph, weights)
    held = {}

    @dataclass(frozen=True)
    class Free:
        @property
        def tensor(self):
            held["dense1"] = run.buffers["dense1"]
            return "dense1"

    with pytest.raises(IllegalScheduleError):
        run.step(x, labels, actions=after(in_order(graph), "dense2", Free()))
    assert np.isnan(held["dense1"]).all()


@pytest.mark.parametrize(
    ("x", "labels", "words"),
    [
        (np.zeros((5, 6)), np.array([0, 1, 2, 3, 4]), r"label 4 of sample 4 is outside 0\.\.3"),
        (np.zeros((5, 6)), np.array([0, -1, 2, 3, -1]), r"label -1 of sample 1 is outside 0\.\.3"),
        (np.full((5, 6), np.nan), np.zeros(5, int), "sample 0 holds values that are no numbers"),
        (np.zeros((5, 6)), np.zeros((5, 2), int), "a target has 2 numbers, the network reads 1"),
        (np.zeros((5, 7)), np.zeros(5, int), "7 numbers, the network reads 6"),
        (np.zeros((4, 6)), np.zeros(4, int), "batch is 5"),
    ],
)
def test_data_that_do_not_fit_are_refused(x, labels, words):
    graph, weights, _, _ = setting()
    with pytest.raises(InputError, match=words):
        Reference(graph, weights).step(x, labels)


def test_the_demo_learns():
    """Not a benchmark: 150 steps bring the loss far below chance, and evaluation agrees."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((10, 64)).astype(np.float32)
    labels = generator.integers(0, 10, 600)
    x = centres[labels] + 0.5 * generator.standard_normal((600, 64)).astype(np.float32)
    model = zoo.build("demo")
    batches = [(x[i : i + 48], labels[i : i + 48]) for i in range(0, 480, 48)] * 15
    weights, losses = train(training_graph(model, 48), initialise(model), batches)
    assert losses[0] > 2 and losses[-1] < 0.1
    assert evaluate(model, weights, x[480:], labels[480:]) > 0.95
    assert predict(model, weights, x[:7]).shape == (7, 10)


def test_the_demo_needs_the_known_memory():
    """Weights 61,480 B; keeping everything peaks at 140,200 B and the metric."""
    graph = training_graph(zoo.build("demo"), 48)
    assert sum(tensor.nbytes for tensor in graph.persistent) == 61_480
    last = {name: i for i, node in enumerate(graph.nodes) for name in (*node.inputs, *node.outputs)}
    live, peak = {tensor.name: tensor.nbytes for tensor in graph.persistent}, 0
    for position, node in enumerate(graph.nodes):
        for _, taken in node.inplace:
            del live[taken]
        live |= {name: graph.tensors[name].nbytes for name in node.outputs}
        peak = max(peak, sum(live.values()))
        for name in [n for n in live if last.get(n) == position and graph.tensors[n].kind not in ("weight", "metric")]:
            del live[name]
    assert peak == 140_200 + 8


def test_no_gradient_of_weights_exists_with_plain_sgd():
    graph = training_graph(zoo.build("lenet-28"), 8)
    weights = {tensor.shape for tensor in graph.persistent}
    assert not [t.name for t in graph.tensors.values() if t.kind == "gradient" and t.shape in weights]
    seen = set()
    for node in graph.nodes:
        assert not seen & set(node.inputs), "nothing reads a weight after its update"
        seen |= set(node.mutates)


def test_a_graph_survives_its_file(tmp_path):
    graph = training_graph(zoo.build("resnet-8"), 2, optimizer={"name": "adamw", "clip_norm": 1.0})
    assert graphs.load(graphs.save(graph, tmp_path / "graph.json")) == graph


def test_dropout_repeats_its_mask_and_differs_between_steps():
    model = Builder("t", (50,)).dense(40).dropout(0.4).dense(4).model()
    graph = training_graph(model, 6)
    x, labels = np.ones((6, 50), np.float32), np.zeros(6, int)
    run = Reference(graph, initialise(model))
    actions = after(in_order(graph), "dense2", Free("dropout1"))
    actions = before(actions, "dense2.update", Recompute("dense1"), Recompute("dropout1"))
    plain = Reference(graph, initialise(model))
    first = plain.step(x, labels)
    assert np.array_equal(first, run.step(x, labels, actions=actions))
    assert all(np.array_equal(plain.weights[name], value) for name, value in run.weights.items())
    masks = [philox_uniform(1000, 1, 7, step) < 0.4 for step in (0, 1)]
    assert 300 < masks[0].sum() < 500 and (masks[0] != masks[1]).any()


def test_philox_gives_the_published_numbers():
    """Known answers of Philox-2x32-10 for counter and key of zeros (Random123 distribution, kat_vectors)."""
    words = philox_uniform(2, 0, 0, 0) * 2**24
    assert [int(word) for word in words] == [0xFF1DAE59 >> 8, 0x6CD10DF2 >> 8]
