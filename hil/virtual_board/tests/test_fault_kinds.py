# SPDX-License-Identifier: GPL-2.0-or-later
"""Each kind of fault by the bits that tell it, the frame, and what it escalates to: ARMv7-M ARM B1.5.6, B1.5.8, B3.2.15."""

import pytest

# A handler notes number, CFSR, HFSR, EXC_RETURN and the frame's PC, then lets the interrupted program go on at `go_on`.
SOURCE = """
#include "bare.h"
#define DO(text) __asm volatile(text ::: "r0", "r1", "r2", "r3", "r12", "lr", "memory", "cc")
static volatile unsigned seen[32], n;
static unsigned stack[64];
extern char go_on;
__attribute__((naked)) void handler(unsigned number)
{
    __asm volatile("mov r1, lr\\n tst lr, #4\\n ite eq\\n mrseq r2, msp\\n mrsne r2, psp\\n push {r4, lr}\\n bl note\\n"
                   "pop {r4, lr}\\n cmp r0, #0\\n it ne\\n movne lr, r0\\n bx lr");
}
/* Returns another EXC_RETURN, or 0. */
__attribute__((used)) unsigned note(unsigned number, unsigned link, unsigned *frame)
{
    unsigned where = (unsigned)frame - 0x20000000 < 0x40000 ? frame[6] : 0;
    seen[n++] = number; seen[n++] = REG(0xe000ed28); seen[n++] = REG(0xe000ed2c); seen[n++] = link; seen[n++] = where;
    REG(0xe000ed28) = REG(0xe000ed2c) = 0xffffffff;
    ACTION
    if (where)
        frame[6] = (unsigned)&go_on & ~1u, frame[7] = 1u << 24;
    return 0;
}
int main(void)
{
    REG(0xe000ed24) = ENABLED << 16;
    REG(0xe000e414) = 0x80;
    REG(0xe000e100) = 1u << 20;
    (void)stack;
    EXPERIMENT;
    DO(".global go_on\\n .thumb_func\\n go_on: nop");
    DO("mov r0, #0\\n msr control, r0\\n msr primask, r0\\n isb");
    for (unsigned i = 0; i < n; i++)
        put_hex(seen[i]);
    put("done\\n");
    return 0;
}"""
HARD, BUS, USAGE, SVC, IRQ = 3, 5, 6, 11, 36
TO_THREAD, TO_PROCESS = 0xFFFFFFF9, 0xFFFFFFFD
FORCED = 1 << 30
NOTHING = "(void)0;"
PEND = "REG(0xe000e200) = 1u << 20; DO(\"dsb\\n isb\")"


def entries(bench, experiment: str, action: str = NOTHING, enabled: int = 7) -> list[tuple[int, ...]]:
    """(number, CFSR, HFSR, EXC_RETURN, PC of the frame) of each exception."""
    source = SOURCE.replace("ACTION", action).replace("EXPERIMENT", experiment).replace("ENABLED", f"{enabled}u")
    board = bench("kinds", source)
    board.run(50, until=b"done")
    numbers = [int(line, 16) for line in board.said.split() if line != b"done"]
    assert board.said.endswith(b"done\n"), board.chip.report
    return [tuple(numbers[i : i + 5]) for i in range(0, len(numbers), 5)]


@pytest.mark.parametrize("enabled, number, hfsr", [(7, USAGE, 0), (0, HARD, FORCED)])
def test_a_jump_without_the_thumb_bit(bench, enabled, number, hfsr):
    (entry,) = entries(bench, 'DO("ldr r0, =0x1000\\n bx r0")', enabled=enabled)
    assert entry == (number, 1 << 17, hfsr, TO_THREAD, 0x1000)  # INVSTATE


def test_a_jump_to_where_nothing_is(bench):
    (entry,) = entries(bench, 'DO("ldr r0, =0x60000001\\n bx r0")')
    assert entry == (BUS, 1 << 8, 0, TO_THREAD, 0x60000000)  # IBUSERR


def test_a_supervisor_call_that_may_not_preempt_is_a_hard_fault(bench):
    (entry,) = entries(bench, 'DO("cpsid i\\n svc #3")')
    assert entry[:4] == (HARD, 0, FORCED, TO_THREAD)


@pytest.mark.parametrize("enabled, number, hfsr", [(7, USAGE, 0), (0, HARD, FORCED)])
def test_a_wrong_exception_return_is_chained_on_the_same_frame(bench, enabled, number, hfsr):
    """To a handler where none is left: the frame of the interrupt is that of the fault."""
    action = "frame[6] = (unsigned)&go_on & ~1u, frame[7] = 1u << 24; return number == 36 ? 0xfffffff1 : 0xfffffff9;"
    first, second = entries(bench, PEND, action, enabled)
    assert first[:1] == (IRQ,)
    assert second == (number, 1 << 18, hfsr, 0xFFFFFFF1, first[4])  # INVPC


def test_a_frame_that_cannot_be_read_back(bench):
    """The interrupted program's stack pointer is spoilt by the handler."""
    spoil = """static unsigned kept;
    if (number == 36) {
        __asm volatile("mrs %0, psp" : "=r"(kept));
        DO("ldr r0, =0x30000000\\n msr psp, r0");
        return 0;
    }
    if (number == 5) {
        __asm volatile("msr psp, %0" :: "r"(kept));
        frame = (unsigned *)kept, where = 1;
    }"""
    process = 'DO("ldr r0, =0x20030000\\n msr psp, r0\\n mov r0, #2\\n msr control, r0\\n isb"); '
    first, second = entries(bench, process + PEND, spoil)
    assert first[:1] == (IRQ,) and first[3] == TO_PROCESS
    assert second == (BUS, 1 << 11, 0, TO_PROCESS, 0)  # UNSTKERR


@pytest.mark.parametrize("enabled, number, hfsr", [(7, BUS, 0), (0, HARD, FORCED)])
def test_a_frame_that_cannot_be_written_is_a_fault_before_what_it_was_for(bench, enabled, number, hfsr):
    """The stack of the program is spent: the bus fault derived from the entry comes first, the interrupt behind it."""
    mend = f'if (number == {number}) {{ __asm volatile("msr psp, %0" :: "r"(stack + 32)); frame = stack + 32; where = 1; }}'
    process = 'DO("ldr r0, =0x30000000\\n msr psp, r0\\n mov r0, #2\\n msr control, r0\\n isb"); '
    first, second = entries(bench, process + PEND, mend, enabled)
    assert first == (number, 1 << 12, hfsr, TO_PROCESS, 0)  # STKERR
    assert second[0] == IRQ and second[3] == TO_PROCESS
