# SPDX-License-Identifier: GPL-2.0-or-later
"""UART, UARTE and SPI by their registers, on bare images."""

HEAD = '#include "bare.h"\n'


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


def test_uarte_keeps_six_bytes_and_reports_the_rest_lost(bench):
    board = bench("overrun", HEAD + """
static volatile unsigned char buffer[16];
int main(void)
{
    REG(0x40002500) = 8; REG(0x40002524) = 0x01d60000;
    put("ready\\n");
    while (!REG(0x40002124)) { }                    // ERROR
    put_hex(REG(0x40002480));
    REG(0x40002480) = 1;
    put_hex(REG(0x40002480));
    for (volatile int i = 0; i < 20000; i++) { }
    REG(0x40002534) = (unsigned)buffer; REG(0x40002538) = 4;
    REG(0x40002000) = 1;
    while (!REG(0x40002110)) { }
    put_hex(REG(0x4000253c));
    REG(0x40002110) = 0;
    REG(0x40002534) = (unsigned)buffer + 4; REG(0x40002538) = 8;
    REG(0x40002000) = 1;
    REG(0x40002004) = 1;                            // STOPRX
    while (!REG(0x40002144)) { }                    // RXTO
    put_hex(REG(0x4000253c)); put_hex(REG(0x40002110)); put_hex(buffer[5]);
    return 0;
}""")
    board.run(10, until=b"ready\n")
    board.chip.serial_give(b"abcdefghij", board.chip.view().cycle)
    board.run(50)
    lines = board.said.split()
    assert lines[0] == b"ready"
    assert [int(line, 16) for line in lines[1:]] == [1, 0, 4, 2, 1, ord("f")]


def test_spim_moves_what_was_asked_in_its_time(bench):
    board = bench("spim", HEAD + """
static volatile unsigned char out[16] = {0}, in[16];
int main(void)
{
    for (int i = 0; i < 16; i++) { out[i] = i + 1; in[i] = 0xee; }
    REG(0x40008508) = 3; REG(0x40008510) = 0; REG(0x40008000) = 1;
    REG(0x40023508) = 3; REG(0x4002350c) = 4; REG(0x40023510) = 5;
    REG(0x40023500) = 7;
    REG(0x40023524) = 0x80000000;                   // 8 MHz
    REG(0x400235c0) = 0x5a;
    REG(0x40023544) = (unsigned)out; REG(0x40023548) = 3;
    REG(0x40023534) = (unsigned)in; REG(0x40023538) = 8;
    REG(0x40008040) = 1;
    unsigned start = REG(0x40008540);
    REG(0x40023010) = 1;
    while (!REG(0x40023118)) { }
    REG(0x40008040) = 1;
    put_hex(REG(0x40008540) - start);
    put_hex(in[0]); put_hex(in[7]); put_hex(in[8]); put_hex(REG(0x4002354c)); put_hex(REG(0x4002353c));
    return 0;
}""")
    seen = []

    def answer(cycle, bus, pins, sent, received, per_byte):
        seen.append((bus, pins, sent, per_byte))
        received[:] = bytes(range(0x40, 0x40 + len(sent)))

    board.chip.connect(answer, lambda *_: None, 0)
    board.run(20)
    ticks, first, last, beyond, tx, rx = board.numbers()
    assert seen == [(2, [3, 4, 5, 0], b"\x01\x02\x03\x5a\x5a\x5a\x5a\x5a", 64)]
    assert 8 * 16 <= ticks <= 8 * 16 + 8  # 8 bytes of 1 us at 16 MHz
    assert (first, last, beyond, tx, rx) == (0x40, 0x47, 0xEE, 3, 8)
