// SPDX-License-Identifier: GPL-2.0-or-later
// The system control block: ARMv7-M ARM chapter B3.2.
#include "board.h"

static uint32_t icsr_read(struct board *b)
{
    uint64_t ready = b->pending & b->enabled;
    uint32_t value = reg_get(b, UC_ARM_REG_IPSR) & 0x1ff;
    if (ready)
        value |= (uint32_t)__builtin_ctzll(ready) << 12;
    if (ready >> EXC_IRQ0)
        value |= 1u << 22;
    if (!(b->active & (b->active - 1)))
        value |= 1u << 11;
    return value | (b->pending >> EXC_PENDSV & 1) << 28 | (b->pending >> EXC_SYSTICK & 1) << 26 |
           (uint32_t)(b->pending >> EXC_NMI & 1) << 31;
}

static void icsr_write(struct board *b, uint32_t value)
{
    if (value >> 31)
        exception_pend(b, EXC_NMI, true);
    if (value & 1u << 28)
        exception_pend(b, EXC_PENDSV, true);
    if (value & 1u << 27)
        exception_pend(b, EXC_PENDSV, false);
    if (value & 1u << 26)
        exception_pend(b, EXC_SYSTICK, true);
    if (value & 1u << 25)
        exception_pend(b, EXC_SYSTICK, false);
}

static uint32_t shcsr_read(struct board *b)
{
    static const uint8_t active[] = {4, 5, 99, 6, 99, 99, 99, 11, 12, 99, 14, 15};
    uint32_t value = (uint32_t)(b->enabled >> EXC_MEMORY & 7) << 16;
    for (int i = 0; i < 12; i++)
        if (active[i] < 64 && (b->active >> active[i] & 1))
            value |= 1u << i;
    return value | (b->pending >> EXC_USAGE & 1) << 12 | (b->pending >> EXC_MEMORY & 1) << 13 |
           (b->pending >> EXC_BUS & 1) << 14 | (uint32_t)(b->pending >> EXC_SVC & 1) << 15;
}

static void aircr_write(struct board *b, uint32_t value)
{
    if (value >> 16 != 0x05fa)
        return;
    b->prigroup = value >> 8 & 7;
    if (value & 4) {
        b->reset_reason |= 1u << 2;  // SREQ
        b->reset_wanted = true;
        attention_update(b);
    }
}

void cpacr_set(struct board *b, uint32_t value)
{
    b->cpacr = value & 0x00f00000;
    if ((b->cpacr >> 20 & 15) == 15)
        b->special &= (uint8_t)~BLOCK_FP;
    else
        b->special |= BLOCK_FP;
}

bool keep_plain(uint32_t *keep, uint32_t mask, uint32_t *value, bool store)
{
    if (store)
        *keep = *value & mask;
    *value = *keep;
    return true;
}

// Registers that say what the core is: Cortex-M4 TRM chapters 4.3 and 7.2.
static bool identity(uint32_t offset, uint32_t *value)
{
    static const struct { uint16_t offset; uint32_t value; } table[] = {
        {0xd00, 0x410fc241}, {0xd3c, 0}, {0xd40, 0x30}, {0xd44, 0x200}, {0xd48, 0x00100000}, {0xd4c, 0},
        {0xd50, 0x00100030}, {0xd54, 0}, {0xd58, 0x01000000}, {0xd5c, 0}, {0xd60, 0x01101110}, {0xd64, 0x02112000},
        {0xd68, 0x21232231}, {0xd6c, 0x01111131}, {0xd70, 0x01310132}, {0xd78, 0}, {0xf40, 0x10110021},
        {0xf44, 0x11000011}, {0xf48, 0x00000040}};
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].offset == offset) {
            *value = table[i].value;
            return true;
        }
    return false;
}

bool control_block_access(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    switch (address & 0xfff) {
    case 0xd04:
        if (store)
            icsr_write(b, *value);
        *value = icsr_read(b);
        return true;
    case 0xd08: return keep_plain(&b->vtor, 0xffffff80, value, store);
    case 0xd0c:
        if (store)
            aircr_write(b, *value);
        *value = 0xfa050000 | (uint32_t)b->prigroup << 8;
        return true;
    case 0xd10: return keep_plain(&b->scr, 0x16, value, store);
    case 0xd14: return keep_plain(&b->ccr, 0x31b, value, store);
    case 0xd24:
        if (store)
            b->enabled = (b->enabled & ~((uint64_t)7 << EXC_MEMORY)) | (uint64_t)(*value >> 16 & 7) << EXC_MEMORY;
        *value = shcsr_read(b);
        return true;
    case 0xd28:
        if (store)
            b->cfsr &= ~*value;
        *value = b->cfsr;
        return true;
    case 0xd2c:
        if (store)
            b->hfsr &= ~*value;
        *value = b->hfsr;
        return true;
    case 0xd34: return keep_plain(&b->mmfar, 0xffffffff, value, store);
    case 0xd38: return keep_plain(&b->bfar, 0xffffffff, value, store);
    case 0xd88:
        if (store)
            cpacr_set(b, *value);
        *value = b->cpacr;
        return true;
    case 0xf00:
        if (store)
            exception_pend(b, EXC_IRQ0 + (int)(*value & 0x3f), true);
        return true;
    case 0xf34: return keep_plain(&b->fpccr, 0xc0000000, value, store);
    case 0xf38: return keep_plain(&b->fpcar, 0xfffffff8, value, store);
    case 0xf3c: return keep_plain(&b->fpdscr, 0x07c00000, value, store);
    default: return mpu_access(b, address & 0xfff, value, store) || identity(address & 0xfff, value);
    }
}
