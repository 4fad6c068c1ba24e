// SPDX-License-Identifier: GPL-2.0-or-later
// The private peripheral bus: SysTick, NVIC registers, system control block, DWT, and the debug registers' door.
#include "board.h"

#include <string.h>

static void nvic_bits(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    uint32_t word = address >> 2 & 31;
    int shift = EXC_IRQ0 + 32 * (int)word;
    uint64_t mask = word < 2 ? (uint64_t)*value << shift : 0;
    uint32_t group = address & 0xf80;
    uint64_t *set = group < 0x200 ? &b->enabled : group < 0x300 ? &b->pending : &b->active;
    if (store && word < 2) {
        if (group == 0x100 || group == 0x200)
            *set |= mask;
        else if (group == 0x180)
            *set &= ~mask;
        else if (group == 0x280)
            *set = (*set & ~mask) | (b->level & mask);  // a line that is high pends again
        if (group == 0x200 && mask && (b->scr & 0x10))
            b->event_register = true;
        attention_update(b);
    }
    *value = word < 2 ? (uint32_t)(*set >> shift) : 0;
}

static bool scs_word(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    if (address - 0xe000e100 < 0x280) {
        nvic_bits(b, address, value, store);
        return true;
    }
    if (address == 0xe000e004) {
        *value = 1;  // ICTR: up to 64 lines
        return true;
    }
    if (address == 0xe000e008)
        return keep_plain(&b->actlr, 0x307, value, store);
    if (systick_access(b, address, value, store))
        return true;
    if (address - 0xe000ed00 < 0x300 && control_block_access(b, address, value, store))
        return true;
    return store ? debug_write(b, address, *value) : debug_read(b, address, value);
}

// Priorities may be accessed by byte: SHPR at 0xd18, IPR at 0x400.
static uint8_t *priority_at(struct board *b, uint32_t address)
{
    if (address - 0xe000ed18 < 12)
        return &b->priority[4 + address - 0xe000ed18];
    if (address - 0xe000e400 < 48)
        return &b->priority[EXC_IRQ0 + address - 0xe000e400];
    return NULL;
}

uint64_t scs_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    struct board *b = user;
    uint32_t address = 0xe0000000 + (uint32_t)offset, value = 0;
    uint8_t *priority = priority_at(b, address);
    (void)uc;
    if (priority) {
        memcpy(&value, priority, size);
        return value;
    }
    if (address - 0xe000e430 < 0xc0)
        return 0;  // priorities of lines that do not exist
    if (!scs_word(b, address & ~3u, &value, false))
        stop_with_report(b, "read of an unmodelled register of the private peripheral bus, 0x%08x, PC near 0x%08x",
                         address, reg_get(b, UC_ARM_REG_PC));
    return value >> 8 * (address & 3);
}

void scs_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value64, void *user)
{
    struct board *b = user;
    uint32_t address = 0xe0000000 + (uint32_t)offset, value = (uint32_t)value64;
    uint8_t *priority = priority_at(b, address);
    (void)uc;
    if (priority) {
        for (unsigned i = 0; i < size; i++)
            priority[i] = (uint8_t)(value >> 8 * i) & 0xe0;  // 3 bits are implemented
        return;
    }
    if (address - 0xe000e430 < 0xc0)
        return;
    if (size < 4)
        value <<= 8 * (address & 3);
    if (!scs_word(b, address & ~3u, &value, true))
        stop_with_report(b, "write of 0x%x to an unmodelled register of the private peripheral bus, 0x%08x, PC near "
                         "0x%08x", value, address, reg_get(b, UC_ARM_REG_PC));
}
