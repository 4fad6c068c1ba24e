# SPDX-License-Identifier: GPL-2.0-or-later
"""Peripherals by their registers, on bare images."""

HEAD = '#include "bare.h"\n#define ISB __asm volatile("dsb\\n isb")\n'


def numbers_of(bench, name, body, milliseconds=200, **chip):
    board = bench(name, HEAD + body, **chip)
    board.run(milliseconds)
    return board.numbers(), board


def test_ecb_gives_the_vectors_of_fips_197(bench):
    numbers, board = numbers_of(bench, "ecb", """
static volatile unsigned data[12];
int main(void)
{
    volatile unsigned char *bytes = (void *)data;
    for (int i = 0; i < 16; i++) { bytes[i] = i; bytes[16 + i] = i * 17; }
    REG(0x4000e504) = (unsigned)data;
    REG(0x4000e000) = 1;
    while (!REG(0x4000e100)) { }
    for (int i = 0; i < 4; i++) put_hex(__builtin_bswap32(data[8 + i]));
    static const unsigned key[4] = {0x16157e2b, 0xa6d2ae28, 0x8815f7ab, 0x3c4fcf09};
    static const unsigned clear[4] = {0xa8f64332, 0x8d305a88, 0xa2983131, 0x340737e0};
    for (int i = 0; i < 4; i++) { data[i] = key[i]; data[4 + i] = clear[i]; }
    REG(0x4000e100) = 0;
    REG(0x4000e000) = 1;
    while (!REG(0x4000e100)) { }
    for (int i = 0; i < 4; i++) put_hex(__builtin_bswap32(data[8 + i]));
    return 0;
}""")
    assert b"".join(n.to_bytes(4, "big") for n in numbers[:4]).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"  # C.1
    assert b"".join(n.to_bytes(4, "big") for n in numbers[4:]).hex() == "3925841d02dc09fbdc118597196a0b32"  # B


def test_timer_capture_compare_and_ppi_to_gpiote(bench):
    numbers, board = numbers_of(bench, "ppi", """
int main(void)
{
    REG(0x4001e504) = 0;
    REG(0x40006510) = 3 | 33 << 8 | 3 << 16;        // GPIOTE 0: task, P1.01, toggle
    REG(0x4001f510) = 0x40008140; REG(0x4001f514) = 0x40006000;
    REG(0x4001f910) = 0x4000900c;                   // fork: clear TIMER1
    REG(0x4001f504) = 1;
    REG(0x40008508) = 3; REG(0x40008510) = 4; REG(0x40008540) = 1000; REG(0x40008200) = 1;
    REG(0x40009508) = 3; REG(0x40009510) = 4;
    REG(0x40009000) = 1;
    REG(0x40008000) = 1;
    unsigned level[4], other[4];
    for (int i = 0; i < 4; i++) {
        REG(0x40008140) = 0;
        while (!REG(0x40008140)) { }
        REG(0x40009040) = 1;
        level[i] = REG(0x50000804) >> 1 & 1;
        other[i] = REG(0x40009540);
    }
    for (int i = 0; i < 4; i++) { put_hex(level[i]); put_hex(other[i]); }
    return 0;
}""")
    assert numbers[0::2] == [1, 0, 1, 0]
    assert all(count < 5 for count in numbers[1::2])


def test_rtc_compare_and_overflow(bench):
    numbers, board = numbers_of(bench, "rtc", """
int main(void)
{
    REG(0x4000b544) = 0;
    REG(0x40000518) = 0; REG(0x40000008) = 1;
    while (!REG(0x40000104)) { }
    REG(0x4000b508) = 0;
    REG(0x4000b540) = 100;
    REG(0x4000b344) = 1 << 16;
    REG(0x4000b000) = 1;
    while (!REG(0x4000b140)) { }
    put_hex(REG(0x4000b504));
    REG(0x4000b540) = REG(0x4000b504) + 1;          // too late: the specification promises N + 2
    REG(0x4000b140) = 0;
    unsigned until = REG(0x4000b504) + 50;
    while (REG(0x4000b504) < until) { }
    put_hex(REG(0x4000b140));
    REG(0x4000b344) = 2;
    REG(0x4000b00c) = 1;                            // TRIGOVRFLW
    until = 0;
    while (!REG(0x4000b104)) { }
    put_hex(REG(0x4000b504));
    return 0;
}""")
    assert numbers[0] in (100, 101)
    assert numbers[1] == 0
    assert numbers[2] in (0, 1)
    assert board.chip.view().cycle > 0


def test_watchdog_resets_with_its_reason(bench):
    numbers, board = numbers_of(bench, "watchdog", """
int main(void)
{
    unsigned why = REG(0x40000400);
    put_hex(why);
    REG(0x40000400) = 0xffffffff;
    put_hex(REG(0x40000400));
    REG(0x4000051c) = REG(0x4000051c) + 1;
    if (why)
        return 0;
    REG(0x40010504) = 327;
    REG(0x40010000) = 1;
    for (int i = 0; i < 3; i++) {
        for (volatile int k = 0; k < 20000; k++) { }
        REG(0x40010600) = 0x6e524635;
    }
    put_hex(0x77);
    for (;;) { }
}""", 100)
    assert numbers[:3] == [0, 0, 0x77]
    assert numbers[3] == 2
    assert 20 < board.chip.view().cycle / 64_000


def test_reset_reasons_and_retained_registers(bench):
    numbers, board = numbers_of(bench, "sreset", """
int main(void)
{
    put_hex(REG(0x40000400)); put_hex(REG(0x4000051c));
    if (REG(0x40000400) == 0) {
        REG(0x4000051c) = 0x5a;
        REG(0xe000ed0c) = 0x05fa0004;
        for (;;) { }
    }
    return 0;
}""")
    assert numbers == [0, 0, 4, 0x5A]


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


def test_gpio_inputs_pulls_and_gpiote_events(bench):
    board = bench("gpio", HEAD + """
int main(void)
{
    REG(0x5000070c) = 3 << 2;                       // P0.03 input with pull-up
    REG(0x50000710) = 0;                            // P0.04 input
    REG(0x40006514) = 1 | 4 << 8 | 1 << 16;         // GPIOTE 1: event, P0.04 rising
    put_hex(REG(0x50000510) >> 3 & 3);
    put("go\\n");
    while (!REG(0x40006104)) { }
    put_hex(0x600d);
    REG(0x50000518) = 1 << 5; REG(0x50000508) = 1 << 5;
    put_hex(REG(0x50000504) >> 5 & 1);
    return 0;
}""")
    board.run(50, until=b"go")
    board.chip.call("pin_input", 4, 1)
    board.run(50)
    lines = board.said.split()
    assert lines == [b"00000001", b"go", b"0000600d", b"00000001"]


def test_old_uart_and_old_spi(bench):
    board = bench("legacy", HEAD + """
static void old_put(char c)
{
    REG(0x4000211c) = 0;
    REG(0x4000251c) = c;
    while (!REG(0x4000211c)) { }
}
int main(void)
{
    REG(0x40002500) = 4;
    REG(0x40002524) = 0x01d60000;
    REG(0x40002008) = 1;
    REG(0x40002000) = 1;
    for (int i = 0; i < 3; i++) {
        while (!REG(0x40002108)) { }
        REG(0x40002108) = 0;
        old_put(REG(0x40002518) + 1);
    }
    REG(0x40002500) = 0;
    REG(0x40003500) = 1;
    REG(0x40003524) = 0x80000000;
    REG(0x4000351c) = 0x11;
    REG(0x4000351c) = 0x22;
    unsigned n = 0;
    for (int i = 0; i < 2; i++) {
        while (!REG(0x40003108)) { }
        REG(0x40003108) = 0;
        n = n << 8 | REG(0x40003518);
    }
    put_hex(n);
    return 0;
}""")
    board.run(5)
    board.chip.serial_give(b"HAL", board.chip.view().cycle)
    board.run(20)
    assert board.said == b"IBM0000ffff\n"


def test_uarte_receives_with_its_timing(bench):
    board = bench("uarte", HEAD + """
static volatile unsigned char buffer[8];
int main(void)
{
    REG(0x40002500) = 8; REG(0x40002524) = 0x01d60000;
    REG(0x40002534) = (unsigned)buffer; REG(0x40002538) = 8;
    REG(0x40002000) = 1;
    REG(0x40008508) = 3; REG(0x40008510) = 4; REG(0x40008000) = 1;
    while (!REG(0x40002108)) { }
    REG(0x40008040) = 1;
    unsigned start = REG(0x40008540);
    while (!REG(0x40002110)) { }
    REG(0x40008040) = 1;
    put_hex(REG(0x40008540) - start);
    put_hex(buffer[7]);
    put_hex(REG(0x4000253c));
    return 0;
}""")
    board.run(2)
    board.chip.serial_give(b"01234567", board.chip.view().cycle)
    board.run(30)
    microseconds, last, amount = board.numbers()
    assert 600 <= microseconds <= 616  # seven bytes of 86.9 us
    assert (last, amount) == (ord("7"), 8)


def test_random_numbers_come_from_the_seed(bench):
    body = """
int main(void)
{
    REG(0x4000d000) = 1;
    for (int i = 0; i < 4; i++) {
        REG(0x4000d100) = 0;
        while (!REG(0x4000d100)) { }
        put_hex(REG(0x4000d508));
    }
    return 0;
}"""
    first, _ = numbers_of(bench, "rng", body, seed=5)
    again, _ = numbers_of(bench, "rng", body, seed=5)
    other, _ = numbers_of(bench, "rng", body, seed=6)
    assert first == again != other
    assert all(n < 256 for n in first)


def test_easydma_cannot_read_flash(bench):
    board = bench("dma", HEAD + """
static const char text[] = "flash";
int main(void)
{
    REG(0x40002500) = 8; REG(0x40002544) = (unsigned)text; REG(0x40002548) = 5; REG(0x40002008) = 1;
    return 0;
}""")
    assert board.run(20).name == "REPORT"
    assert "EasyDMA" in board.chip.report


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
