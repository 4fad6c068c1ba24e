# SPDX-License-Identifier: GPL-2.0-or-later
"""Charge: the sum of currents over virtual time, in total and in the meter's bins."""

import numpy as np
import pytest
from tercet_virtual_board import soc

NA = {current.name: current.na for current in soc.CURRENTS}
BASE, CPU, LDO = soc.CURRENTS[0].na, soc.CURRENTS[1].na, soc.CURRENTS[18].na

SOURCE = """
#include "bare.h"
int main(void)
{
    REG(0x50000818) = 2;
    REG(0x40000578) = 1;
    REG(0xe000e014) = 63999;
    REG(0xe000e018) = 0;
    REG(0xe000e010) = 7;
    for (int i = 0; i < 5; i++) {
        __asm volatile("wfi");
        REG(0x50000808) = 2;
        for (volatile int k = 0; k < 2000; k++) { }
        REG(0x5000080c) = 2;
    }
    REG(0xe000e010) = 0;
    return 0;
}
void handler(unsigned number) { (void)number; }"""


def test_bins_and_total_agree(bench):
    board = bench("power", SOURCE)
    board.chip.call("meter", 1, 1 << 16)
    board.run(10)
    current_ua, logic = board.chip.meter_take()
    view = board.chip.view()
    assert len(current_ua) == 1000
    assert current_ua.sum() * 1e-6 * 10e-6 == pytest.approx(view.soc_coulomb + view.card_coulomb, rel=1e-3)
    awake_ua, asleep_ua = (BASE + CPU) / 1000, BASE / 1000
    inside = (logic[:-1] & 1).astype(bool) & (logic[1:] & 1).astype(bool)
    assert inside.sum() > 100
    steady = np.flatnonzero(inside[1:] & inside[:-1])[2:] + 1
    assert np.median(current_ua[steady]) == pytest.approx(awake_ua)
    assert current_ua.min() == pytest.approx(asleep_ua)
    edges = np.flatnonzero(np.diff(logic & 1))
    assert len(edges) == 10
    assert np.diff(edges[::2]) == pytest.approx([100] * 4, abs=1)  # once a millisecond


def test_sleep_draws_the_base_current(bench):
    board = bench("asleep", '#include "bare.h"\nint main(void) { return 0; }')
    board.run(1)
    before = board.chip.view()
    board.run(1000)
    after = board.chip.view()
    seconds = (after.cycle - before.cycle) / soc.CPU_HZ
    assert (after.soc_coulomb - before.soc_coulomb) / seconds == pytest.approx(BASE * 1e-9, rel=1e-9)


def test_the_regulator_matters(bench):
    def awake(dcdc):
        source = '#include "bare.h"\nint main(void) { REG(0x40000578) = DCDC; for (;;) { } }'
        board = bench("spin", source.replace("DCDC", str(dcdc)))
        board.run(1)
        before = board.chip.view()
        board.run(10)
        after = board.chip.view()
        return (after.soc_coulomb - before.soc_coulomb) / ((after.cycle - before.cycle) / soc.CPU_HZ)

    assert awake(1) == pytest.approx((BASE + CPU) * 1e-9)
    assert awake(0) == pytest.approx((BASE + CPU + LDO) * 1e-9)


def test_every_current_names_its_source():
    assert all(current.na > 0 and current.source for current in soc.CURRENTS)
    assert len(NA) == len(soc.CURRENTS)
