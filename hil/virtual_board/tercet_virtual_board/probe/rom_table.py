# SPDX-License-Identifier: GPL-2.0-or-later
"""CoreSight identification registers of the nRF52840, as the debugger sees them on the bus.

Peripheral and component identification of Cortex-M4 r0p1 (Arm 100166, table of ROM table components) and of
Nordic's own ROM table (designer 0x244, part 0x008). ETM and TPIU are listed as absent: they are not modelled.
"""

ROM_TABLE_BASE = 0xE00FF000
_ARM_DESIGNER = 0x43B  # JEP106 code 0x3B on continuation page 4
_NORDIC_DESIGNER = 0x244
_ROM_TABLE_CLASS, _GENERIC_CLASS = 0x1, 0xE

#: address, part number, revision, JEP106 designer (page in bits 11:8), component class
_COMPONENTS = (
    (0xE000E000, 0x00C, 0, _ARM_DESIGNER, _GENERIC_CLASS),  # system control space
    (0xE0001000, 0x002, 3, _ARM_DESIGNER, _GENERIC_CLASS),  # watchpoints
    (0xE0002000, 0x003, 2, _ARM_DESIGNER, _GENERIC_CLASS),  # breakpoints
    (0xE0000000, 0x001, 3, _ARM_DESIGNER, _GENERIC_CLASS),  # instrumentation trace
    (ROM_TABLE_BASE, 0x008, 0, _NORDIC_DESIGNER, _ROM_TABLE_CLASS),
)
_ABSENT = (0xE0040000, 0xE0041000)  # TPIU, ETM


def _identification(part: int, revision: int, designer: int, component_class: int) -> dict[int, int]:
    """Offset -> value of PIDR4..7, PIDR0..3 and CIDR0..3 (ADIv5.2, section on component identification)."""
    code, page = designer & 0x7F, designer >> 8
    peripheral = (part & 0xFF, (code & 0xF) << 4 | part >> 8, revision << 4 | 0x8 | code >> 4, 0)
    component = (0x0D, component_class << 4, 0x05, 0xB1)
    registers = {0xFD0 + 4 * i: 0 for i in range(4)}
    registers[0xFD0] = page
    registers |= {0xFE0 + 4 * i: value for i, value in enumerate(peripheral)}
    registers |= {0xFF0 + 4 * i: value for i, value in enumerate(component)}
    return registers


def _table_entries() -> dict[int, int]:
    """Offset -> entry: relative address, 32-bit format, present bit; the remaining entries read as zero."""
    entries = dict.fromkeys(range(0, 0xFCC, 4), 0)
    present = [base for base, *_ in _COMPONENTS if base != ROM_TABLE_BASE]
    for index, base in enumerate(present):
        entries[4 * index] = (base - ROM_TABLE_BASE) & 0xFFFFF000 | 0x3
    for index, base in enumerate(_ABSENT, start=len(present)):
        entries[4 * index] = (base - ROM_TABLE_BASE) & 0xFFFFF000 | 0x2
    entries[0xFCC] = 1  # MEMTYPE: system memory is on this bus as well
    return entries


def _build() -> dict[int, int]:
    registers = {ROM_TABLE_BASE + offset: value for offset, value in _table_entries().items()}
    for base, *identity in _COMPONENTS:
        registers |= {base + offset: value for offset, value in _identification(*identity).items()}
    return registers


#: Absolute address -> value of every identification register; all are read-only.
REGISTERS = _build()
