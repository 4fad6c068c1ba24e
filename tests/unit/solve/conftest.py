# SPDX-License-Identifier: Apache-2.0
"""Random small problems and a hand-made training graph."""

import pytest
from hypothesis import strategies as st
from tercet.solve.problem import Item, Op, Problem


@st.composite
def problems(draw, most=6):
    """A random problem of up to `most` nodes: side effects, in-place operators, a weight, workspace, static power."""
    count = draw(st.integers(2, most))
    size = st.integers(1, 4).map(lambda n: 10 * n)
    cost = st.integers(0, 9)
    items, ops = {}, []

    def item(name, persistent=False):
        on_card = persistent and draw(st.booleans())
        pageable = draw(st.integers(0, 3)) > 0 or on_card
        items[name] = Item(name, draw(size), persistent, pageable=pageable, out_ns=draw(cost), in_ns=draw(cost),
                           out_pj=draw(cost), in_pj=draw(cost), bounce_bytes=draw(st.sampled_from((0, 0, 5))),
                           movable=on_card, on_card=on_card)  # fmt: skip

    weight = draw(st.booleans())
    if weight:
        item("w", persistent=True)
    alive = []
    for k in range(count):
        inputs = draw(st.lists(st.sampled_from(alive), unique=True, max_size=3)) if alive else []
        writes = weight and k == count - 1
        taken = ()
        item(f"t{k}")
        if inputs and draw(st.integers(0, 4)) == 0:
            taken = ((f"t{k}", inputs[0]),)
            items[f"t{k}"] = Item(**{**vars(items[f"t{k}"]), "nbytes": items[inputs[0]].nbytes})
            alive.remove(inputs[0])
        if weight and not writes and draw(st.booleans()):
            inputs = [*inputs, "w"]
        ops.append(Op(
            f"n{k}", tuple(inputs), (f"t{k}",), draw(cost), draw(cost), taken, ("w",) if writes else (),
            draw(st.sampled_from((0, 0, 7))), again=draw(st.integers(0, 4)) > 0,
            phase="forward" if k < count // 2 else "backward",
        ))  # fmt: skip
        alive.append(f"t{k}")
    return Problem("random", tuple(ops), items, baseline_mw=draw(st.sampled_from((0.0, 1.0))))


@st.composite
def trainings(draw):
    """A random forward chain with skips and its gradients, most tensors of one size: nodes that can wait for their readers."""
    depth, cost = draw(st.integers(3, 5)), st.integers(1, 30)
    size, items, ops = st.sampled_from((10, 10, 10, 20, 5)), {}, []

    def op(name, reads, nbytes, often, workspace=0):
        items[name] = Item(name, nbytes, pageable=draw(st.integers(0, 4)) > 1, out_pj=draw(cost), in_pj=draw(cost))
        takes = reads and items[reads[0]].nbytes == nbytes and draw(st.integers(0, 9)) == 0
        phase = "forward" if name[0] == "f" else "backward"
        ops.append(Op(name, tuple(dict.fromkeys(reads)), (name,), 0, draw(cost), ((name, reads[0]),) if takes else (), (),
                      workspace, again=draw(st.integers(0, 9)) < often, phase=phase))  # fmt: skip

    for k in range(depth):
        skips = [f"f{draw(st.integers(0, k - 2))}"] if k > 1 and draw(st.integers(0, 2)) == 0 else []
        op(f"f{k}", ([f"f{k - 1}"] if k else []) + skips, draw(size), 9, draw(st.sampled_from((0, 0, 0, 5))))
    for k in reversed(range(depth)):
        reads = [f"f{j}" for j in (k, k - 1, draw(st.integers(0, depth - 1))) if j >= 0 and draw(st.integers(0, 3))]
        op(f"g{k}", ([f"g{k + 1}"] if k + 1 < depth else []) + reads, draw(size), 6)
    return Problem("training", tuple(ops), items)


@pytest.fixture
def ladder():
    """a=10, b(a)=20, c(b)=10, d(a, c)=10: in 30 bytes only by running a again in the forward phase."""
    sizes = {"a": 10, "b": 20, "c": 10, "d": 10}
    reads = {"a": (), "b": ("a",), "c": ("b",), "d": ("a", "c")}
    items = {n: Item(n, s, pageable=False) for n, s in sizes.items()}
    ops = tuple(Op(n, reads[n], (n,), 1000, 1000) for n in sizes)
    return Problem("ladder", ops, items)


def chain():
    """x -> h -> y and back, one weight updated at the end; store-all peak 310 bytes."""
    items = {n: Item(n, s, n == "w", out_ns=500, in_ns=500, out_pj=700, in_pj=700) for n, s in
             {"w": 10, "x": 100, "h": 100, "y": 100, "g": 100}.items()}  # fmt: skip
    ops = (
        Op("read", (), ("x",), 100, 100, phase="input"),
        Op("first", ("x", "w"), ("h",), 1000, 1000),
        Op("second", ("h",), ("y",), 1000, 1000),
        Op("back", ("y", "h"), ("g",), 1000, 1000, phase="backward"),
        Op("learn", ("g", "x"), (), 1000, 1000, mutates=("w",), phase="update"),
    )
    return Problem("chain", ops, items)
