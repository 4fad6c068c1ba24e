# SPDX-License-Identifier: GPL-2.0-or-later
"""The event register (SEV, WFE, SEVONPEND) and SLEEPONEXIT: ARMv7-M ARM B1.5.17 to B1.5.19."""

SOURCE = """
#include "bare.h"
#define WFE __asm volatile("wfe")
static volatile unsigned handled;
void handler(unsigned number)
{
    (void)number;
    REG(0x40008140) = 0;
    handled++;
}
/* Compare event of TIMER0 after so many microseconds, its interrupt 8 enabled in the NVIC or not. */
static void alarm(unsigned microseconds, unsigned enabled)
{
    REG(0x40008004) = 1;
    REG(0x4000800c) = 1;
    REG(0x40008508) = 3;
    REG(0x40008540) = microseconds;
    REG(0x40008140) = 0;
    REG(0x40008304) = 1u << 16;
    REG(0xe000e280) = 1u << 8;
    REG(enabled ? 0xe000e100 : 0xe000e180) = 1u << 8;
    REG(0x40008000) = 1;
}
__attribute__((unused)) static unsigned passed(void)
{
    REG(0x40008044) = 1;
    return REG(0x40008544);
}
int main(void)
{
    BODY
    return 0;
}"""


def numbers(bench, body: str, milliseconds: float = 20) -> list[int]:
    board = bench("events", SOURCE.replace("BODY", body))
    board.run(milliseconds)
    return board.numbers()


def test_an_event_is_remembered_once(bench):
    """SEV lets the next WFE pass; the one after it sleeps until an interrupt is taken."""
    passing, sleeping, handled = numbers(bench, """
    __asm volatile("sev");
    WFE;
    alarm(2000, 1);
    __asm volatile("sev");
    WFE;
    unsigned first = passed();
    WFE;
    unsigned second = passed();
    put_hex(first); put_hex(second); put_hex(handled);""")
    assert passing < 10 and 2000 <= sleeping < 2010 and handled == 1


def test_a_pending_interrupt_that_is_disabled_wakes_with_sevonpend_only(bench):
    body = """
    REG(0xe000ed10) = SCR;
    alarm(2000, 0);
    __asm volatile("sev"); WFE;
    WFE;
    put_hex(passed()); put_hex(handled);"""
    (woken, handled) = numbers(bench, body.replace("SCR", "0x10"))
    assert 2000 <= woken < 2010 and handled == 0
    assert numbers(bench, body.replace("SCR", "0")) == []


def test_sleeponexit_goes_to_sleep_behind_the_handler(bench):
    """The program behind WFI is not reached until a handler clears the bit."""
    source = SOURCE.replace("handled++;", "if (++handled == 3) REG(0xe000ed10) = 0; else alarm(1000, 1);").replace(
        "void handler", "static void alarm(unsigned, unsigned);\nvoid handler")
    board = bench("sleeponexit", source.replace("BODY", """
    REG(0xe000ed10) = 2;
    alarm(1000, 1);
    __asm volatile("wfi");
    put_hex(handled);"""))
    board.run(20)
    assert board.numbers() == [3]
    assert board.chip.view().exceptions_taken == 3
