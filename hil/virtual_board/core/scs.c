// SPDX-License-Identifier: GPL-2.0-or-later
// The private peripheral bus: SysTick, NVIC registers, system control block, DWT, and the debug registers' door.
#include "board.h"

#include <string.h>

static void systick_schedule(struct board *b)
{
    struct systick *s = &b->systick;
    if (!(s->ctrl & 1)) {
        slot_set(b, SLOT_SYSTICK, NEVER);
        return;
    }
    slot_set(b, SLOT_SYSTICK, s->since + s->start);
}

// SysTick counts down from `start` since cycle `since`; 0 is reached `start` cycles later, then it reloads.
static uint32_t systick_value(struct board *b)
{
    struct systick *s = &b->systick;
    if (!(s->ctrl & 1))
        return s->start;
    uint64_t passed = now(b) - s->since;
    return passed >= s->start ? 0 : s->start - (uint32_t)passed;
}

void systick_due(struct board *b, uint64_t when)
{
    struct systick *s = &b->systick;
    s->flag = true;
    if (s->ctrl & 2)
        exception_pend(b, EXC_SYSTICK, true);
    s->since = when + 1;
    s->start = s->load;
    if (!s->load)
        s->ctrl &= ~1u;
    systick_schedule(b);
}

static bool systick_access(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    struct systick *s = &b->systick;
    switch (address) {
    case 0xe000e010:
        if (!store) {
            *value = (s->ctrl & 7) | (s->flag ? 1u << 16 : 0);
            s->flag = false;
            return true;
        }
        s->start = systick_value(b);
        if (!(s->ctrl & 1) && (*value & 1) && !s->start)
            s->start = s->load + 1;
        s->since = now(b);
        s->ctrl = (*value & 3) | 4;  // nRF52: the processor clock only
        systick_schedule(b);
        return true;
    case 0xe000e014:
        if (store)
            s->load = *value & 0xffffff;
        *value = s->load;
        return true;
    case 0xe000e018:
        if (store) {
            s->flag = false;
            s->start = s->ctrl & 1 ? s->load + 1 : 0;
            s->since = now(b);
            systick_schedule(b);
        }
        *value = store ? 0 : systick_value(b);
        return true;
    case 0xe000e01c:
        *value = 0xc0000000;  // no reference clock, no calibration
        return true;
    default:
        return false;
    }
}

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

static bool plain(uint32_t *keep, uint32_t mask, uint32_t *value, bool store)
{
    if (store)
        *keep = *value & mask;
    *value = *keep;
    return true;
}

static bool control_block(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    switch (address & 0xfff) {
    case 0xd00: *value = 0x410fc241; return true;
    case 0xd04:
        if (store)
            icsr_write(b, *value);
        *value = icsr_read(b);
        return true;
    case 0xd08: return plain(&b->vtor, 0xffffff80, value, store);
    case 0xd0c:
        if (store)
            aircr_write(b, *value);
        *value = 0xfa050000 | (uint32_t)b->prigroup << 8;
        return true;
    case 0xd10: return plain(&b->scr, 0x16, value, store);
    case 0xd14: return plain(&b->ccr, 0x31b, value, store);
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
    case 0xd34: return plain(&b->mmfar, 0xffffffff, value, store);
    case 0xd38: return plain(&b->bfar, 0xffffffff, value, store);
    case 0xd3c: *value = 0; return true;
    case 0xd40: *value = 0x30; return true;   // PFR0: Thumb-2
    case 0xd44: *value = 0x200; return true;
    case 0xd48: *value = 0x00100000; return true;
    case 0xd4c: *value = 0; return true;
    case 0xd50: *value = 0x00100030; return true;
    case 0xd54: case 0xd5c: *value = 0; return true;
    case 0xd58: *value = 0x01000000; return true;
    case 0xd60: *value = 0x01101110; return true;
    case 0xd64: *value = 0x02112000; return true;
    case 0xd68: *value = 0x21232231; return true;
    case 0xd6c: *value = 0x01111131; return true;
    case 0xd70: *value = 0x01310132; return true;
    case 0xd74: case 0xd78: case 0xd7c: case 0xd80: *value = 0; return true;  // no caches: reserved on this core
    case 0xd88:
        if (store)
            cpacr_set(b, *value);
        *value = b->cpacr;
        return true;
    case 0xd90: *value = 0x800; return true;  // MPU with 8 regions, never enabled
    case 0xd94: case 0xd98: case 0xd9c: case 0xda0:
        if (store && (address & 0xfff) == 0xd94 && (*value & 1))
            stop_with_report(b, "the MPU is not modelled, and the firmware enables it");
        *value = 0;
        return true;
    case 0xf00:
        if (store)
            exception_pend(b, EXC_IRQ0 + (int)(*value & 0x3f), true);
        return true;
    case 0xf34: return plain(&b->fpccr, 0xc0000000, value, store);
    case 0xf38: return plain(&b->fpcar, 0xfffffff8, value, store);
    case 0xf3c: return plain(&b->fpdscr, 0x07c00000, value, store);
    case 0xf40: *value = 0x10110021; return true;
    case 0xf44: *value = 0x11000011; return true;
    case 0xf48: *value = 0; return true;      // MVFR2 came with FPv5
    default: return false;
    }
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
        return plain(&b->actlr, 0x307, value, store);
    if (systick_access(b, address, value, store))
        return true;
    if (address - 0xe000ed00 < 0x300 && control_block(b, address, value, store))
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
