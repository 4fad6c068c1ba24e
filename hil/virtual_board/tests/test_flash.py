# SPDX-License-Identifier: GPL-2.0-or-later
"""Flash, its protection, and the registers beside it."""

HEAD = '#include "bare.h"\n#define ISB __asm volatile("dsb\\n isb")\n'


def numbers_of(bench, name, body, milliseconds=200, **chip):
    board = bench(name, HEAD + body, **chip)
    board.run(milliseconds)
    return board.numbers(), board


def test_flash_is_nor_and_takes_time(bench):
    numbers, board = numbers_of(bench, "flash", """
int main(void)
{
    volatile unsigned *page = (unsigned *)0x80000;
    put_hex(page[0]);
    REG(0x4001e504) = 1;
    page[0] = 0x12345678;
    page[0] = 0xff00ff00;
    page[1] = 0xa5a5a5a5;
    while (!REG(0x4001e400)) { }
    REG(0x4001e504) = 0;
    put_hex(page[0]); put_hex(page[1]);
    REG(0xe000edfc) = 1 << 24; REG(0xe0001000) = 1;
    unsigned start = REG(0xe0001004);
    REG(0x4001e504) = 2;
    REG(0x4001e508) = 0x80000;
    REG(0x4001e504) = 0;
    put_hex(REG(0xe0001004) - start);
    put_hex(page[0]);
    REG(0x4001e504) = 2;
    REG(0x4001e51c) = 10;
    page = (unsigned *)0x81000;
    for (int i = 0; i < 9; i++) {
        put_hex(page[0]);
        REG(0x4001e518) = 0x81000;
    }
    put_hex(page[0]);
    return 0;
}""", 400)
    assert numbers[:3] == [0xFFFFFFFF, 0x12345678 & 0xFF00FF00, 0xA5A5A5A5]
    assert 85_000 * 64 <= numbers[3] < 85_100 * 64
    assert numbers[4] == 0xFFFFFFFF


def test_flash_write_without_permission_is_a_bus_fault(bench):
    numbers, board = numbers_of(bench, "protected_flash", """
static volatile unsigned seen;
__attribute__((naked)) void handler(unsigned number)
{
    __asm volatile("ldr r1, [sp, #24]\\n adds r1, #4\\n str r1, [sp, #24]\\n ldr r2, =0xe000ed28\\n ldr r1, [r2]\\n"
                   "ldr r2, =mark\\n str r1, [r2]\\n bx lr\\n .ltorg");
}
volatile unsigned mark;
int main(void)
{
    REG(0xe000ed24) = 7 << 16;
    __asm volatile("mov r0, #0x80000\\n str.w r0, [r0]" ::: "r0", "memory");
    put_hex(mark);
    put_hex(*(volatile unsigned *)0x80000);
    return 0;
}""")
    assert numbers[0] & 0xFF00 and numbers[1] == 0xFFFFFFFF


def test_approtect_closes_the_debug_port_after_reset(bench):
    from tercet_virtual_board.debug import DebugPort

    numbers, board = numbers_of(bench, "approtect", """
int main(void)
{
    REG(0x4001e504) = 1;
    REG(0x10001208) = 0xffffff00;
    REG(0x4001e504) = 0;
    put_hex(REG(0x10001208));
    return 0;
}""")
    assert numbers == [0xFFFFFF00]
    port = DebugPort(board.chip)
    assert not port.is_protected
    board.chip.call("reset", 1)
    assert port.is_protected
    port.erase_all()
    board.chip.call("reset", 1)
    assert not port.is_protected
