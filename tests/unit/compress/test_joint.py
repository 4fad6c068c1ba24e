# SPDX-License-Identifier: Apache-2.0
"""The joint choice: the optimum of an exhaustive search, and honest refusals."""

from itertools import product

import numpy as np
import pytest
from tercet.compress import joint
from tercet.errors import InfeasibleError

FIXED = {"flash_bytes": 100, "ram_bytes": 50, "cycles": 0}


def _table(seed):
    generator = np.random.default_rng(seed)
    return {
        name: [
            joint.Choice(name, 1.0, 8, 0, "dense", *(int(n) for n in generator.integers(10, 200, 3)), float(generator.random()))
            for _ in range(6)
        ]
        for name in ("a", "b", "c")
    }


def _sums(choices):
    return [FIXED["flash_bytes"] + sum(c.file_bytes for c in choices), FIXED["ram_bytes"] + sum(c.memory_bytes for c in choices),
            sum(c.cycles for c in choices)]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_choice_is_the_best_of_all(seed):
    table = _table(seed)
    budget = joint.Budget(380, 330, 300)
    allowed = [
        choices
        for choices in product(*table.values())
        if all(a <= b for a, b in zip(_sums(choices), (380, 330, 300), strict=True))
    ]
    if not allowed:
        with pytest.raises(InfeasibleError):
            joint.choose(table, FIXED, budget)
        return
    plan = joint.choose(table, FIXED, budget)
    assert plan.proven and sum(c.rise for c in plan.choices.values()) == pytest.approx(
        min(sum(c.rise for c in choices) for choices in allowed), abs=1e-4
    )
    assert list(plan.totals.values()) == _sums(plan.choices.values())


def test_the_nearest_possible_is_the_least_of_each_limit():
    table = _table(1)
    with pytest.raises(InfeasibleError) as caught:
        joint.choose(table, FIXED, joint.Budget(flash_bytes=120))
    assert caught.value.smallest == {"flash_bytes": min(_sums(choices)[0] for choices in product(*table.values()))}


def test_undominated_choices_keep_every_optimum():
    table = _table(2)["a"]
    kept = joint._undominated(table)
    for choice in table:
        assert any(
            other.file_bytes <= choice.file_bytes
            and other.memory_bytes <= choice.memory_bytes
            and other.cycles <= choice.cycles
            and other.rise <= choice.rise
            for other in kept
        )


def test_possibilities_cost_what_they_ship(dense_net, digits):
    from tercet.compress.network import Samples

    net, weights = dense_net
    table = joint.possibilities(net, weights, Samples(digits.inputs()[:200], digits.labels()[:200]))
    assert set(table) == {"dense1", "dense2", "dense3"}
    first = table["dense1"]
    assert any(choice.rank for choice in first) and {"csc", "dense"} <= {choice.format for choice in first}
    thin, thick = min(first, key=lambda c: c.file_bytes), max(first, key=lambda c: c.file_bytes)
    assert thin.rise > thick.rise and thin.file_bytes < thick.file_bytes / 5


def test_energy_pays_for_cycles():
    assert joint.energy_to_cycles(2e-3) == pytest.approx(2e-3 / (3.3e-3 * 3 / 64e6), rel=1e-6)
