// SPDX-License-Identifier: GPL-2.0-or-later
// Peripherals of the nRF52840 that are not modelled: an access to one stops the board with its name.
#include "board.h"

static const struct { uint32_t base; const char *name; } table[] = {
    {0x40001000, "RADIO"}, {0x40005000, "NFCT"}, {0x4000f000, "AAR/CCM"}, {0x40012000, "QDEC"}, {0x40013000, "COMP/LPCOMP"},
    {0x4001c000, "PWM0"}, {0x4001d000, "PDM"}, {0x40020000, "MWU"}, {0x40021000, "PWM1"}, {0x40022000, "PWM2"},
    {0x40025000, "I2S"}, {0x40026000, "FPU"}, {0x40027000, "USBD"}, {0x40028000, "UARTE1"}, {0x40029000, "QSPI"},
    {0x4002d000, "PWM3"}, {CRYPTOCELL_BASE, "CRYPTOCELL"}, {CRYPTOCELL_BASE + 0x1000, "CRYPTOCELL"}};

static const char *name_of(struct board *b, uint32_t address)
{
    const struct peripheral *p = peripheral_at(b, address & ~0xfffu);
    if (p)
        return p->kind->name;
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].base == (address & ~0xfffu))
            return table[i].name;
    return "no peripheral";
}

void unmodelled(struct board *b, uint32_t address, unsigned size, const uint32_t *stored)
{
    uint32_t pc = reg_get(b, UC_ARM_REG_PC);
    if (stored)
        stop_with_report(b, "write of 0x%x to an unmodelled register: %s + 0x%03x (0x%08x, %u bytes), PC near 0x%08x", *stored,
                         name_of(b, address), address & 0xfff, address, size, pc);
    else
        stop_with_report(b, "read of an unmodelled register: %s + 0x%03x (0x%08x, %u bytes), PC near 0x%08x",
                         name_of(b, address), address & 0xfff, address, size, pc);
}

uint64_t cryptocell_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    (void)uc;
    unmodelled(user, CRYPTOCELL_BASE + (uint32_t)offset, size, NULL);
    return 0;
}

void cryptocell_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    uint32_t word = (uint32_t)value;
    (void)uc;
    unmodelled(user, CRYPTOCELL_BASE + (uint32_t)offset, size, &word);
}
