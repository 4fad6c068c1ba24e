// SPDX-License-Identifier: GPL-2.0-or-later
// What a debugger finds when it asks what there is: ROM table and component ids.
#include "board.h"

static const struct { uint32_t address, value; } identification[] = {
    // Table of contents at 0xe00ff000: SCS, DWT, FPB, ITM, TPIU, ETM (absent entries read 0), and component ids.
    {0xe00ff000, 0xfff0f003}, {0xe00ff004, 0xfff02003}, {0xe00ff008, 0xfff03003}, {0xe00ff00c, 0xfff01003},
    {0xe00ff010, 0xfff41002}, {0xe00ff014, 0xfff42002}, {0xe00ff018, 0}, {0xe00fffcc, 1},
};

static const uint8_t ids_scs[12] = {4, 0, 0, 0, 0x0c, 0xb0, 0x0b, 0, 0x0d, 0xe0, 0x05, 0xb1};
static const uint8_t ids_dwt[12] = {4, 0, 0, 0, 0x02, 0xb0, 0x3b, 0, 0x0d, 0xe0, 0x05, 0xb1};
static const uint8_t ids_fpb[12] = {4, 0, 0, 0, 0x03, 0xb0, 0x2b, 0, 0x0d, 0xe0, 0x05, 0xb1};
static const uint8_t ids_itm[12] = {4, 0, 0, 0, 0x01, 0xb0, 0x3b, 0, 0x0d, 0xe0, 0x05, 0xb1};
static const uint8_t ids_rom[12] = {2, 0, 0, 0, 0x08, 0x40, 0x2c, 0, 0x0d, 0x10, 0x05, 0xb1};

bool coresight_identify(uint32_t address, uint32_t *value)
{
    const uint8_t *ids = NULL;
    uint32_t at = address & 0xfff;
    for (unsigned i = 0; i < sizeof identification / sizeof *identification; i++)
        if (identification[i].address == address) {
            *value = identification[i].value;
            return true;
        }
    switch (address & ~0xfffu) {
    case 0xe000e000: ids = ids_scs; break;
    case 0xe0001000: ids = ids_dwt; break;
    case 0xe0002000: ids = ids_fpb; break;
    case 0xe0000000: ids = ids_itm; break;
    case 0xe00ff000: ids = ids_rom; break;
    }
    if (ids == ids_rom && at < 0xfd0) {
        *value = 0;  // no further entries
        return true;
    }
    if (!ids || at < 0xfd0)
        return false;
    *value = at >= 0xfe0 ? ids[4 + ((at - 0xfe0) >> 2)] : at == 0xfd0 ? ids[0] : 0;
    return true;
}
