# SPDX-License-Identifier: GPL-2.0-or-later
"""Larger RAM, and the model that counts instructions."""

HEAD = '#include "bare.h"\n'


def numbers_of(bench, name, body, milliseconds=200, **chip):
    board = bench(name, HEAD + body, **chip)
    board.run(milliseconds)
    return board.numbers(), board


def test_ram_larger_than_the_chips(bench):
    numbers, _ = numbers_of(bench, "bigram", """
int main(void)
{
    volatile unsigned *far = (unsigned *)(0x20000000 + 900 * 1024);
    far[0] = 0x1234;
    put_hex(*(volatile unsigned *)(0x00800000 + 900 * 1024));
    put_hex(REG(0x1000010c));
    return 0;
}""", ram_kb=1024)
    assert numbers == [0x1234, 1024]


def test_the_model_of_instructions(bench):
    body = """
int main(void)
{
    REG(0xe000edfc) = 1 << 24; REG(0xe0001000) = 1;
    unsigned a, b, x = 10;
    __asm volatile("ldr %0, [%3]\\n 1: subs %2, #1\\n ldr r0, [%3]\\n ldr r0, [%3]\\n bne 1b\\n ldr %1, [%3]"
                   : "=&r"(a), "=&r"(b), "+r"(x) : "r"(0xe0001004) : "r0", "cc");
    put_hex(b - a);
    return 0;
}"""
    numbers, _ = numbers_of(bench, "counting", body, cycle_model="instructions")
    assert 38 <= numbers[0] <= 42
    numbers, _ = numbers_of(bench, "counting", body)
    assert 55 <= numbers[0] <= 65
