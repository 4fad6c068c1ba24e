# SPDX-License-Identifier: GPL-2.0-or-later
"""A more urgent exception that arrives while the frame of another one is written: Cortex-M4 TRM 3.9.1, "late-arriving"."""

import re

import pytest

# A timer's compare event sweeps across the entry of a less urgent exception, a cycle at a time: a handler notes its number, the
# EXC_RETURN, the number of what it interrupted, and how many 16 MHz ticks after the event it began.
SOURCE = """
#include "bare.h"
static volatile unsigned seen[16], n, delay;
__attribute__((naked)) void handler(unsigned number)
{
    __asm volatile("mov r1, lr\\n mov r2, sp\\n push {r4, lr}\\n bl note\\n pop {r4, pc}");
}
__attribute__((used)) void note(unsigned number, unsigned link, unsigned *frame)
{
    REG(0x40008040) = 1;                       // CAPTURE[0]
    unsigned ticks = REG(0x40008540) - 64;
    if (number == 16 + 8)
        REG(0x40008144) = 0;
    if (number == 6)
        frame[6] += 2;                         // behind the undefined instruction
    seen[n++] = number << 24 | (link & 0xff) << 16 | (frame[7] & 0xff) << 8 | (ticks & 0xff);
}
static void experiment(unsigned nops)
{
    n = 0;
    REG(0x4000800c) = 1;                       // CLEAR
    REG(0x40008000) = 1;                       // START
    __asm volatile("cpsid i\\n ldr r1, =nops_end\\n sub r1, r1, %0, lsl #1\\n orr r1, r1, #1\\n bx r1\\n"
                   ".rept 512\\n nop\\n .endr\\n nops_end:\\n cpsie i\\n" TRIGGER :: "r"(nops), "r"(1u << 20), "r"(0xe000e200)
                   : "r1", "memory");
    REG(0x40008004) = 1;                       // STOP
    for (unsigned i = 0; i < n; i++)
        put_hex(seen[i]);
    put_hex(nops);
}
int main(void)
{
    REG(0x40008510) = 0;                       // a tick is 1/16 us, four cycles
    REG(0x40008508) = 3;
    REG(0x40008544) = 64;                      // CC[1]
    REG(0x40008304) = 1u << 17;
    REG(0xe000e408) = 0x40;
    REG(0xe000e414) = 0x80;
    REG(0xe000ed18) = 0x80u << 16;             // the usage fault's priority
    REG(0xe000ed24) = 1u << 18;
    REG(0xe000e100) = 1u << 8 | 1u << 20;
    for (unsigned nops = 190; nops < 190 + 64; nops++)
        experiment(nops);
    return 0;
}"""
LATE, LOW, USAGE_FAULT = 16 + 8, 16 + 20, 6
TO_THREAD, TO_HANDLER = 0xF9, 0xF1
ENTRY_TICKS = 8  # from the event to the reading of the timer in the handler, when the event begins the entry


def experiments(board) -> list[list[tuple[int, int, int, int]]]:
    """Of each run, in order: (exception, EXC_RETURN's low byte, what it interrupted, ticks since the timer's event)."""
    board.run(200)
    runs, run = [], []
    for number in board.numbers():
        if number < 0x1000000:
            runs.append(run)
            run = []
        else:
            run.append((number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF))
    return runs


def order(run: list[tuple[int, int, int, int]], less_urgent: int) -> str:
    """How the two came: n nested, l late, p pending before the other's entry, ? amid the less urgent one's note."""
    if (LATE, TO_HANDLER, less_urgent) in [entry[:3] for entry in run]:
        return "n"
    if [entry[:3] for entry in run] == [(LATE, TO_THREAD, 0), (less_urgent, TO_THREAD, 0)]:
        return "l" if run[0][3] < ENTRY_TICKS else "p"
    return "?"


@pytest.mark.parametrize("trigger, less_urgent", [('"str %1, [%2]\\n dsb\\n isb"', LOW), ('"udf #0"', USAGE_FAULT)])
def test_a_late_exception_takes_the_frame_of_a_less_urgent_one(bench, trigger, less_urgent):
    """On each of the twelve cycles of the entry; a cycle earlier or later it is the first one, or nests."""
    orders = "".join(order(run, less_urgent) for run in experiments(bench("late", f"#define TRIGGER {trigger}\n{SOURCE}")))
    assert re.fullmatch("[n?]+nl{12}p+", orders), orders
