# SPDX-License-Identifier: GPL-2.0-or-later
"""Code in RAM that changes: what runs is always what the RAM holds, by whichever address and after whatever happened."""

PROGRAM = """
#include "bare.h"
static unsigned short code[8] __attribute__((aligned(32)));
typedef unsigned (*function)(void);

static unsigned call(unsigned address) { return ((function)(address | 1))(); }

static void write(unsigned value)
{
    code[0] = 0xbf00;          // nop
    code[1] = 0x2000 | value;  // movs r0, #value
    code[2] = 0x4770;          // bx lr
    __asm volatile("dsb\\n isb" ::: "memory");
}

int main(void)
{
    unsigned whole = (unsigned)code, inner = whole + 2, to_alias = 0x00800000 - 0x20000000;
    write(1); put_hex(call(inner)); put_hex(call(inner + to_alias));
    write(2); put_hex(call(whole + to_alias)); put_hex(call(inner + to_alias));  // a neighbour saw the change first
    write(3); put_hex(call(inner)); put_hex(call(inner + to_alias));             // so did the other address
    write(4);
    REG(0x4001e504) = 1;                                       // a flash write forgets what was known of blocks
    REG(0x000ff000) = 0x12345678;
    REG(0x4001e504) = 0;
    put_hex(call(inner + to_alias)); put_hex(call(whole)); put_hex(call(inner));
    return 0;
}
"""


def test_changed_code_in_ram_is_never_run_stale(bench):
    board = bench("ram-code", PROGRAM)
    board.run(50)
    assert board.numbers() == [1, 1, 2, 2, 3, 3, 4, 4, 4]
