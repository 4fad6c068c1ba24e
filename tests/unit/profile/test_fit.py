# SPDX-License-Identifier: Apache-2.0
"""The cost model over shapes: what it was not shown, it predicts."""

from dataclasses import replace

import numpy as np
import pytest
from tercet import costs
from tercet.autodiff import shape_cost
from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import ArtifactError, InputError
from tercet.profile import fit, grid


def true_us(batch, inputs, outputs):
    """A blocked product as a machine might take it: 30 us to start, 0.7 us a block and step, edges slower."""
    bands, blocks = batch // 4, (batch // 4) * (outputs // 4)
    edge = bands * (outputs % 4) * inputs * 0.3 + (batch % 4) * outputs * inputs * 0.1
    return 30 + 0.7 * blocks * inputs + edge + 0.2 * batch * outputs


def table(shapes):
    ops = {
        f"dense_forward:{b},{i},{o},1": OpCost(true_us(b, i, o), 9.9 * true_us(b, i, o))
        for b, (i, o, _) in shapes
    }
    return CostTable("board", ops, PageCost(), PageCost())


def fitted(made):
    """The table with its models, as it comes back from the disk."""
    return shape_cost.attach(replace(made, fits=shape_cost.to_fits(fit.fit(made))))


def test_shapes_that_were_not_measured_are_predicted():
    made = table(grid.dense_shapes())
    found = fitted(made)
    for batch, inputs, outputs in ((16, 64, 48), (7, 30, 21), (20, 60, 64), (1, 64, 10)):
        cost = found.op(f"dense_forward:{batch},{inputs},{outputs},1")
        assert cost.time_us == pytest.approx(true_us(batch, inputs, outputs), rel=0.02)
        assert cost.energy_nj == pytest.approx(9.9 * true_us(batch, inputs, outputs), rel=0.02)
        assert cost.provenance == "fitted modelled"


def test_no_share_is_negative_and_the_residuals_are_told():
    found = fit.fit(table(grid.dense_shapes()))["dense_forward[activation=1]"]
    assert all(weight >= 0 for weight in (*found.time.values(), *found.energy.values()))
    assert 0 <= found.time_residual < 0.08 and 0 <= found.energy_residual < 0.08
    assert found.left_out is not None and found.shapes > 25


def test_a_measured_shape_keeps_its_measurement_and_other_families_stay_unknown():
    made = table(grid.dense_shapes())
    known = next(iter(made.ops))
    found = fitted(made)
    assert found.op(known) is made.ops[known]
    with pytest.raises(InputError, match="dense_forward:4,4,4,2"):
        found.op("dense_forward:4,4,4,2")


def test_too_few_shapes_make_no_model():
    made = table(list(grid.dense_shapes())[:2])
    assert fit.fit(made) == {}


def test_the_fits_survive_the_disk(tmp_path):
    made = table(grid.dense_shapes())
    path = costs.save(fitted(made), tmp_path / "costs.json")
    again = shape_cost.attach(costs.load(path))
    signature = "dense_forward:16,64,48,1"
    assert again.op(signature) == fitted(made).op(signature)
    with pytest.raises(ArtifactError, match=r"fits: .*'slope'"):
        shape_cost.attach(replace(again, fits={"dense_forward": {"slope": 1}}))


def test_the_least_squares_stay_non_negative():
    rng = np.random.default_rng(1)
    design, truth = rng.uniform(0, 1, (40, 6)), np.array([3.0, 0.0, 1.5, 0.0, 0.25, 7.0])
    assert np.allclose(fit.non_negative(design, design @ truth), truth, atol=1e-8)
    found = fit.non_negative(design, design @ np.array([3.0, -2.0, 1.0, -0.5, 0.0, 1.0]))
    slope = design.T @ (design @ np.array([3.0, -2.0, 1.0, -0.5, 0.0, 1.0]) - design @ found)
    # the conditions of Karush, Kuhn and Tucker: no weight below zero, no descent where it may go
    assert (found >= 0).all() and np.allclose(slope[found > 0], 0, atol=1e-8) and (slope[found == 0] <= 1e-8).all()


def test_the_grid_is_the_same_each_time():
    assert list(grid.dense_shapes()) == list(grid.dense_shapes())
    remainders = {batch % 4 for batch, _ in grid.dense_shapes()}
    assert remainders == {0, 1, 2, 3}
