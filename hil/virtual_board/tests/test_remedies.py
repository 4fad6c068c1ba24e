# SPDX-License-Identifier: GPL-2.0-or-later
"""Erratum 195 of SPIM3 and its remedy, registers that remedies write, PPI's groups, and a TWI bus with nobody on it."""

import pytest
from tercet_virtual_board import soc

HEAD = '#include "bare.h"\n'


def test_spim3_draws_current_after_its_use_until_the_remedy(bench):
    """900 uA from the moment it is disabled, until a write to 0x4002F004 (Anomaly 195)."""
    board = bench("leak", HEAD + """
int main(void)
{
    REG(0x40000578) = 1;
    REG(0x4002f500) = 7;
    REG(0x4002f500) = 0;
    for (volatile int i = 0; i < 100000; i++) { }
    REG(0x4002f004) = 1;
    put("remedied\\n");
    for (;;) { }
}""")

    def current_na(milliseconds: float) -> float:
        before = board.chip.view()
        board.run(milliseconds)
        after = board.chip.view()
        return 1e9 * (after.soc_coulomb - before.soc_coulomb) / ((after.cycle - before.cycle) / soc.CPU_HZ)

    board.run(1)
    leaking = current_na(5)
    board.run(100, until=b"remedied")
    board.run(1)
    assert leaking - current_na(5) == pytest.approx(900_000, rel=1e-3)


def test_registers_of_remedies_keep_what_is_written(bench):
    board = bench("remedies", HEAD + """
int main(void)
{
    static const unsigned at[] = {0x4000053c, 0x40000ee4, 0x4007ac84};
    for (unsigned i = 0; i < 3; i++)
        REG(at[i]) = 0x11 * (i + 1);
    for (unsigned i = 0; i < 3; i++)
        put_hex(REG(at[i]));
    return 0;
}""")
    board.run(20)
    assert board.numbers() == [0x11, 0x22, 0x33]


def test_ppi_groups_switch_their_channels(bench):
    """A channel's task enables a group, another disables it: PPI chapter, TASKS_CHG[n].EN and DIS."""
    board = bench("groups", HEAD + """
int main(void)
{
    REG(0x4001f804) = 0x0a;                    // CHG[1]: channels 1 and 3
    REG(0x4001f500) = 0x05;
    REG(0x4001f008) = 1;                       // CHG[1].EN
    put_hex(REG(0x4001f500));
    REG(0x4001f00c) = 1;                       // CHG[1].DIS
    put_hex(REG(0x4001f500));
    REG(0x4001f510) = 0x40014100;              // channel 0: EGU0's event 0 enables the group
    REG(0x4001f514) = 0x4001f008;
    REG(0x40014000) = 1;
    put_hex(REG(0x4001f500));
    return 0;
}""")
    board.run(20)
    assert board.numbers() == [0x0F, 0x05, 0x0F]


def test_a_twi_bus_without_anybody_answers_nothing(bench):
    board = bench("twim", HEAD + """
int main(void)
{
    REG(0x40003508) = 27; REG(0x4000350c) = 26;
    REG(0x40003524) = 0x06400000;              // 400 kbit/s
    REG(0x40003588) = 0x50;
    REG(0x40003500) = 6;
    REG(0x40003008) = 1;                       // STARTTX
    while (!REG(0x40003124)) { }
    put_hex(REG(0x400034c4));
    REG(0x400034c4) = 2;
    REG(0x40003014) = 1;                       // STOP
    put_hex(REG(0x40003104)); put_hex(REG(0x400034c4));
    return 0;
}""")
    board.run(20)
    assert board.numbers() == [2, 1, 0]
