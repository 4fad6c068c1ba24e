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
