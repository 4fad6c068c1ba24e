# SPDX-License-Identifier: Apache-2.0
"""The cost model over shapes: what it was not shown, it predicts."""

import pytest
from tercet.costs import CostTable, OpCost, PageCost
from tercet.errors import InputError
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


def test_shapes_that_were_not_measured_are_predicted():
    made = table(grid.dense_shapes())
    found = fit.attach(made, fit.fit(made))
    for batch, inputs, outputs in ((16, 64, 48), (7, 30, 21), (20, 60, 64), (1, 64, 10)):
        cost = found.op(f"dense_forward:{batch},{inputs},{outputs},1")
        assert cost.time_us == pytest.approx(true_us(batch, inputs, outputs), rel=0.02)
        assert cost.energy_nj == pytest.approx(9.9 * true_us(batch, inputs, outputs), rel=0.02)
        assert cost.provenance == "fitted modelled"


def test_no_share_is_negative_and_the_residuals_are_told():
    found = fit.fit(table(grid.dense_shapes()))["dense_forward[activation=1]"]
    assert all(weight >= 0 for weight in (*found.time.values(), *found.energy.values()))
    assert 0 <= found.residual < 0.05 and found.left_out is not None and found.shapes > 25


def test_a_measured_shape_keeps_its_measurement_and_other_families_stay_unknown():
    made = table(grid.dense_shapes())
    known = next(iter(made.ops))
    found = fit.attach(made, fit.fit(made))
    assert found.op(known) is made.ops[known]
    with pytest.raises(InputError, match="dense_forward:4,4,4,2"):
        found.op("dense_forward:4,4,4,2")


def test_too_few_shapes_make_no_model():
    made = table(list(grid.dense_shapes())[:2])
    assert fit.fit(made) == {}


def test_the_fits_survive_the_disk(tmp_path):
    made = table(grid.dense_shapes())
    path = fit.save(made, fit.fit(made), tmp_path / "costs.json")
    again = fit.load(path)
    signature = "dense_forward:16,64,48,1"
    assert again.op(signature) == fit.attach(made, fit.fit(made)).op(signature)


def test_the_grid_is_the_same_each_time():
    assert list(grid.dense_shapes()) == list(grid.dense_shapes())
    remainders = {batch % 4 for batch, _ in grid.dense_shapes()}
    assert remainders == {0, 1, 2, 3}
