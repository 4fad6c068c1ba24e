# SPDX-License-Identifier: Apache-2.0
"""Costs of a grid of shapes predict steps of networks that were never profiled (`make bench-profile` takes the whole grid)."""

import pytest
from tercet import costs
from tercet.autodiff import shape_cost
from tercet.board import bench as benches
from tercet.cli import costing, prediction
from tercet.errors import BoardError
from tercet.profile import bench as profiling
from tercet.profile import grid, stalls
from tercet.train import data

pytestmark = [pytest.mark.board, pytest.mark.slow, pytest.mark.timeout(900)]


def test_an_interrupted_grid_goes_on_and_predicts_other_networks(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "_GRAPHS", 16)
    monkeypatch.setattr(stalls, "ROUNDS", 1)
    monkeypatch.setattr(prediction, "FOLDER", tmp_path)
    path, packed, said = tmp_path / "costs.json", data.load(prediction.DATA), []
    wanted = grid.of_name("dense", 64)
    with benches.select(None, None, sd=tmp_path / "card.img") as bench, costing.flashed(bench) as parts:
        measure, runs = profiling.Bench.run, []

        def unplugged_at_the_second(runner, cases, effort):
            runs.append(len(cases))
            if len(runs) == 2:
                raise BoardError("the port went away")
            return measure(runner, cases, effort)

        monkeypatch.setattr(profiling.Bench, "run", unplugged_at_the_second)
        with pytest.raises(BoardError):
            costing.grid_table(path, wanted, packed, *parts, said.append)
        first = costs.load(path)
        table = costing.grid_table(path, wanted, packed, *parts, said.append)
        assert len(first.ops) < len(table.ops) and all(table.ops[name] == cost for name, cost in first.ops.items())
        assert table.page_out.unstalled() == first.page_out and table.page_out.stall_ci_us > 0
        assert table.power_mw["sleep"] < table.power_mw["poll"]
        usual = shape_cost.attach(table.unstalled())
        rows = [row for wanted in (prediction.NETWORKS[0], prediction.NETWORKS[2])
                for row in prediction.step(*wanted, usual, parts, said.append)]  # fmt: skip
    assert [row["unit"] for row in rows] == ["ms", "uJ"] * 2
    for row in rows:
        assert abs(row["error"]) < 0.03, row
    assert any(fit["shapes"] >= 16 and fit["time_residual"] > 0 for fit in table.fits.values())
    assert costing.text(table, path).count("dense_forward") == 2
