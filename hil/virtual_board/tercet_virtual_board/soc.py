# SPDX-License-Identifier: GPL-2.0-or-later
"""The nRF52840 as data: memory sizes, identity, currents. PS is Nordic's nRF52840 Product Specification v1.7.

The C core holds the table of peripherals (core/peripherals.c); a further chip of the family is a second set of tables.
"""

from typing import NamedTuple

CPU_HZ = 64_000_000
FLASH_BYTES = 1 << 20
PAGE_BYTES = 4096


class Current(NamedTuple):
    """A current drawn while something is on, with the place that it was taken from."""

    name: str
    na: int
    source: str


# In the order of `enum drain` of the core. 3.0 V, 25 degrees. "PS" is a figure of the specification's electrical tables;
# "class" a figure of the nRF52 family's tables that was not checked against this edition; "estimate" is ours.
CURRENTS = [
    Current("base: System ON, full RAM kept, wake on event", 2_350, "PS 5.2.1.1 ION_RAMON_EVENT"),
    Current("CPU from flash, cache on, DC/DC", 3_300_000, "PS 5.2.1.1: CoreMark from flash, HFXO, DC/DC, 3.3 mA"),
    Current("HFXO while the CPU sleeps", 250_000, "estimate; awake it is contained in the CPU's figure"),
    Current("LFXO and RTC", 810, "PS 5.2.1.1: ION_RAMON_RTC 3.16 uA less ION_RAMON_EVENT 2.35 uA"),
    Current("LFRC and RTC", 1_260, "class: LFRC draws 0.45 uA more than LFXO"),
    Current("UARTE receiving or sending, 115200", 55_000, "class: IUARTE at 115200"),
    Current("SPIM up to 8 MHz", 50_000, "class: ISPIM"),
    Current("SPIM3 at 16 or 32 MHz", 200_000, "estimate: scaled with the bit rate"),
    Current("TIMER", 70_000, "class: ITIMER at 16 MHz"),
    Current("RNG", 539_000, "class: IRNG"),
    Current("TEMP", 1_000_000, "class: ITEMP"),
    Current("ECB", 300_000, "estimate"),
    Current("WDT", 100, "class: IWDT"),
    Current("NVMC writing", 3_000_000, "estimate: the CPU stands still, the charge pump runs"),
    Current("NVMC erasing", 3_000_000, "estimate: the CPU stands still, the charge pump runs"),
    Current("HFINT for a peripheral while the CPU sleeps", 250_000, "estimate"),
    Current("System OFF", 400, "PS 5.2.1.1 IOFF_RAMOFF_RESET"),
    Current("SPIM3 disabled without erratum 195's remedy", 900_000, "nRF52840 errata, 195: about 900 uA"),
    Current("CPU from flash on the LDO, beyond DC/DC", 3_000_000, "PS 5.2.1.1: 6.3 mA with the LDO less 3.3 mA with DC/DC"),
]


def currents_na() -> list[int]:
    """Currents in nA in the core's order."""
    return [current.na for current in CURRENTS]


def ficr(seed: int, ram_kb: int) -> dict[int, int]:
    """Factory information registers by offset: page size, device identity (from `seed`), part and memory sizes."""
    identity = (seed * 0x9E3779B97F4A7C15 + 0x1234567890ABCDEF) & (2**64 - 1)
    words = dict.fromkeys(range(0, 0x1000, 4), 0xFFFFFFFF)
    words |= {
        0x010: PAGE_BYTES, 0x014: FLASH_BYTES // PAGE_BYTES,
        0x060: identity & 0xFFFFFFFF, 0x064: identity >> 32,
        0x080: 0x11111111, 0x084: 0x22222222, 0x088: 0x33333333, 0x08C: 0x44444444,
        0x090: 0x55555555, 0x094: 0x66666666, 0x098: 0x77777777, 0x09C: 0x88888888,
        0x0A0: 0xFFFFFFFF, 0x0A4: (identity >> 7) & 0xFFFFFFFF, 0x0A8: 0xFFFF0000 | (identity >> 40) & 0xFFFF,
        0x100: 0x52840, 0x104: 0x41414430, 0x108: 0x2004, 0x10C: ram_kb, 0x110: FLASH_BYTES // 1024,
        0x130: 8, 0x134: 4, 0x404: 0x2E2, 0x408: 0x319, 0x40C: 0x343, 0x410: 0x36D, 0x414: 0x3B1, 0x418: 0x40F,
        0x41C: 0x3FC0, 0x420: 0x3F98, 0x424: 0x3F98, 0x428: 0x12, 0x42C: 0x4D, 0x430: 0x3E10,
    }
    return words
