# SPDX-License-Identifier: GPL-2.0-or-later
"""SAADC conversions as a driver makes them, and SPIM3's own chip select."""

SAMPLE = """
#include "bare.h"
static volatile short results[8];
static void sample(unsigned channels)
{
    REG(0x4000762c) = (unsigned)results;
    REG(0x40007630) = channels;
    REG(0x40007100) = REG(0x40007104) = 0;
    REG(0x40007000) = 1;
    while (!REG(0x40007100)) { }
    REG(0x40007004) = 1;
    while (!REG(0x40007104)) { }
    REG(0x40007008) = 1;
    while (!REG(0x40007114)) { }
    REG(0x40007114) = 0;
}
int main(void)
{
    REG(0x400075f0) = 2;                       // 12 bits
    REG(0x40007500) = 1;
    REG(0x4000700c) = 1;
    while (!REG(0x40007110)) { }
    REG(0x40007510) = 9;                       // VDD
    REG(0x40007518) = 0 << 8 | 2 << 16;        // gain 1/6, internal reference
    sample(1); put_hex(results[0]); put_hex(REG(0x40007634));
    REG(0x40007520) = 3;                       // AIN2, P0.04: driven high in the second round
    REG(0x40007528) = 1 << 12 | 2 << 8;        // gain 1/4, a quarter of the supply as reference
    sample(2); put_hex(results[1]);
    __asm volatile("wfi");
    sample(2); put_hex(results[1]);
    REG(0x40007ffc) = 0;                       // erratum 212's remedy: off and on again
    REG(0x40007ffc) = 1;
    put_hex(REG(0x40007510)); put_hex(REG(0x40007518));
    return 0;
}"""

SELECT = """
#include "bare.h"
static volatile unsigned char sent[4] = {1, 2, 3, 4};
int main(void)
{
    REG(0x5000051c) = 0;
    REG(0x50000518) = 1 << 10;                 // P0.10 is an output
    REG(0x4002f514) = 10;
    REG(0x4002f500) = 7;
    put_hex(REG(0x50000504) >> 10 & 1);
    REG(0x4002f544) = (unsigned)sent; REG(0x4002f548) = 4;
    REG(0x4002f010) = 1;
    put_hex(REG(0x50000504) >> 10 & 1);
    while (!REG(0x4002f118)) { }
    put_hex(REG(0x50000504) >> 10 & 1);
    return 0;
}"""


def test_saadc_converts_the_supply_and_a_pin(bench):
    board = bench("saadc", SAMPLE)
    board.run(100)
    assert board.numbers() == [round(3.0 / 6 / 0.6 * 4096), 1, 0]
    assert board.chip.view().sleeping


def test_a_pin_that_is_high_reads_full_scale(bench):
    board = bench("saadc-pin", SAMPLE.replace('__asm volatile("wfi");', "for (volatile int i = 0; i < 100000; i++) { }"))
    board.run(5)
    board.chip.call("pin_input", 4, 1)
    board.run(100)
    assert board.numbers()[2:] == [0, 4095, 0, 0x20000]


def test_spim3_drives_its_chip_select(bench):
    board = bench("select", SELECT)
    board.run(50)
    assert board.numbers() == [1, 0, 1]
