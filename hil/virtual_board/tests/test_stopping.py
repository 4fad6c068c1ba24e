# SPDX-License-Identifier: GPL-2.0-or-later
"""Sleep, lock-up, and the reports of what is not modelled."""

HEAD = '#include "bare.h"\n#define ISB __asm volatile("dsb\\n isb")\n'


def test_systick_and_wfi(bench):
    board = bench("systick", HEAD + """
static volatile unsigned ticks;
void handler(unsigned number) { ticks += number == 15; }
int main(void)
{
    REG(0xe000e014) = 63999;
    REG(0xe000e018) = 0;
    REG(0xe000e010) = 7;
    while (ticks < 20)
        __asm volatile("wfi");
    put("done\\n");
    return 0;
}""")
    board.run(100, until=b"done")
    view = board.chip.view()
    assert 20.0 <= view.cycle / 64_000 < 22.5
    assert view.slept_cycles > 0.9 * 20 * 64_000


def test_lockup_is_reported(bench):
    board = bench("lockup", HEAD + """
int main(void)
{
    REG(0xe000ed08) = 0x10000000 + 0x400000;   // vectors where there is nothing
    __asm volatile("udf #0");
    return 0;
}""")
    stop = board.run(50)
    assert stop.name == "REPORT" and "locked up" in board.chip.report


def test_unmodelled_registers_are_named(bench):
    board = bench("unmodelled", HEAD + "int main(void) { return REG(0x4002d000); }")
    assert board.run(50).name == "REPORT"
    assert "0x4002d000" in board.chip.report
    board = bench("unmodelled2", HEAD + "int main(void) { REG(0x40008018) = 1; return 0; }")
    assert board.run(50).name == "REPORT"
    assert "TIMER + 0x018" in board.chip.report and "PC near" in board.chip.report
