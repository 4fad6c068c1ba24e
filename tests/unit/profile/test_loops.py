# SPDX-License-Identifier: Apache-2.0
"""What the loops of convolutions and pooling count: products add up, ways are the kernels'."""

import numpy as np
import pytest
from tercet.autodiff import shape_cost
from tercet.autodiff.loops import convolutions, planes
from tercet.autodiff.work import macs
from tercet.costs import CostTable, OpCost, PageCost
from tercet.kernel_table import KERNELS, named_dims
from tercet.profile import fit, grid


def signatures(prefix):
    """(operator, dimensions) of the grid's shapes of one kind of operator."""
    cases = {case.name for case in grid.of_name("all", 64)}
    return [shape_cost.split(name) for name in sorted(cases) if name.startswith(prefix)]


def conv(batch=1, inputs=2, size=8, outputs=4, kernel=3, stride=1, pad=1, groups=1):
    out = (size + 2 * pad - kernel) // stride + 1
    return convolutions.Shape(batch, inputs, size, size, outputs, out, out, kernel, kernel, stride, stride, pad, pad, groups)


@pytest.mark.parametrize(
    ("op", "shape", "way"),
    [
        ("conv2d_forward", conv(), "direct-3"),
        ("conv2d_forward", conv(kernel=5, pad=0), "direct-5"),
        ("conv2d_forward", conv(stride=2), "gathered"),
        ("conv2d_forward", conv(kernel=1, pad=0), "pointwise"),
        ("conv2d_backward_data", conv(), "direct-3"),
        ("conv2d_backward_data", conv(size=6, kernel=5, pad=0), "scattered"),
        ("conv2d_update_sgd", conv(), "runs"),
    ],
)
def test_a_shape_goes_the_way_of_the_kernel(op, shape, way):
    assert convolutions.way(op, shape) == way


def test_the_blocks_of_a_direct_convolution_hold_its_products():
    for op, dims in signatures("conv2d_forward"):
        shape = convolutions.shape_of(named_dims(op, dims))
        if convolutions.way(op, shape).startswith("direct"):
            found = convolutions.conv(op, shape)
            held = 16 * shape.kernel_width * found["turns"]  # of four channels by four pixels, some of which do not exist
            assert macs(op, dims) <= held <= macs(op, dims) * 16


def test_the_runs_of_a_weight_gradient_hold_its_products():
    for op, dims in signatures("conv2d_update_sgd"):
        found = shape_cost.features(op, dims)
        held = 16 * (4 * found["block_turns"] + found["block_rests"]) + 8 * found["dot_turns"] + found["dot_rests"]
        assert held == macs(op, dims)
        assert found["words"] + found["strided_words"] + found["beside"] >= found["pieces"]


def test_what_lies_under_the_kernel_is_counted_as_pixels_are():
    for shape in (conv(stride=2), conv(kernel=5, pad=2, size=7), conv(stride=3, kernel=5, pad=1, size=11)):
        rows = [
            sum(0 <= y * shape.stride_height - shape.top + r < shape.height for y in range(shape.out_height))
            for r in range(shape.kernel_height)
        ]
        assert convolutions._pieces(shape, 64)["words"] == sum(rows) ** 2  # the same across as down


def test_depthwise_pixels_are_counted_once():
    for op, dims in signatures("depthwise_forward"):
        plane = planes.plane_of(named_dims(op, dims))
        found = planes.plane(op, plane)
        assert 8 * found["eights"] + 4 * found["fours"] + found["ones"] >= plane.planes * plane.out_height * plane.out_width
        assert found["lines"] == plane.planes * plane.out_height


def test_every_operator_of_the_grid_has_one_set_of_counts_per_family():
    names = {}
    for case in grid.of_name("all", 64):
        op, dims = shape_cost.split(case.name)
        assert op in KERNELS
        counts = shape_cost.features(op, dims)
        assert all(np.isfinite(value) and value >= 0 for value in counts.values())
        assert names.setdefault(shape_cost.family(op, dims), set(counts)) == set(counts)
    assert {"conv2d_forward[direct-3]", "conv2d_backward_data[scattered]", "depthwise_forward[threes]"} <= set(names)


def test_convolutions_that_were_not_measured_are_predicted():
    """A machine that takes some time for each count: its costs are found again for shapes that it was not asked."""
    rng = np.random.default_rng(1)
    weights = {}

    def machine(op, dims):
        counts = shape_cost.features(op, dims)
        share = weights.setdefault(shape_cost.family(op, dims), {name: rng.uniform(0.05, 0.5) for name in counts})
        return sum(share[name] * count for name, count in counts.items())

    shapes = signatures("conv2d_")
    known = [shape for at, shape in enumerate(shapes) if at % 5]
    table = CostTable("b", {f"{op}:{','.join(map(str, d))}": OpCost(machine(op, d), machine(op, d)) for op, d in known},
                      PageCost(), PageCost())  # fmt: skip
    models = fit.fit(table)
    errors = [models[shape_cost.family(op, d)].predict(op, d).time_us / machine(op, d) - 1 for op, d in shapes[::5]]
    assert np.quantile(np.abs(errors), 0.9) < 0.02
