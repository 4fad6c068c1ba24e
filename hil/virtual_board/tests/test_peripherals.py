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
    assert board.chip.view().cycle / 64_000 > 20


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


def test_clocks_start_and_stop(bench):
    numbers, _ = numbers_of(bench, "clocks", """
int main(void)
{
    put_hex(REG(0x4000040c) & 1);
    REG(0x40000000) = 1;
    while (!REG(0x40000100)) { }
    put_hex(REG(0x4000040c)); put_hex(REG(0x40000408));
    REG(0x40000004) = 1;
    put_hex(REG(0x4000040c) & 1);
    REG(0x40000518) = 1;
    REG(0x40000008) = 1;
    put_hex(REG(0x40000418) >> 16);
    while (!REG(0x40000104)) { }
    put_hex(REG(0x40000418)); put_hex(REG(0x4000041c));
    REG(0x4000000c) = 1;
    put_hex(REG(0x40000418) >> 16);
    return 0;
}""", 400)
    assert numbers == [0, 0x10001, 1, 0, 0, 0x10001, 1, 0]


def test_system_off_ends_everything_but_time(bench):
    board = bench("off", HEAD + 'int main(void) { put("bye\\n"); REG(0x40000500) = 1; for (;;) { put("!"); } }')
    board.run(20)
    before = board.chip.view()
    assert board.said == b"bye\n" and before.system_off
    board.run(1000)
    after = board.chip.view()
    seconds = (after.cycle - before.cycle) / 64e6
    assert abs((after.soc_coulomb - before.soc_coulomb) / seconds - 0.4e-6) < 1e-9
    board.chip.call("reset", 1)
    board.run(5)
    assert board.said.count(b"bye") == 2


def test_temperature_and_software_interrupts(bench):
    numbers, _ = numbers_of(bench, "temp", """
static volatile unsigned seen;
void handler(unsigned number) { seen = number; REG(0x40014108) = 0; (void)REG(0x40014108); }
int main(void)
{
    REG(0x4000c000) = 1;
    while (!REG(0x4000c100)) { }
    put_hex(REG(0x4000c508));
    REG(0x40014304) = 4;
    REG(0xe000e100) = 1u << 20;
    REG(0x40014008) = 1;
    ISB;
    put_hex(seen);
    return 0;
}""")
    assert numbers == [100, 36]
