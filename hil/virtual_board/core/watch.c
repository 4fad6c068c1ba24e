// SPDX-License-Identifier: GPL-2.0-or-later
// FPB breakpoints, DWT watchpoints and the cycle counter: ARMv7-M ARM chapters C1.8 and C1.11.
#include "board.h"

enum { DFSR_DWT = 4, DEMCR_TRCENA = 1 << 24 };

static void breaks_forget(struct board *b)
{
    for (int i = 0; i < b->debug.break_count; i++)
        blocks_forget(b, b->debug.break_at[i], b->debug.break_at[i] + 2);
}

static void breakpoints_update(struct board *b)
{
    struct debug *d = &b->debug;
    breaks_forget(b);
    d->break_count = 0;
    for (int i = 0; (d->fp_ctrl & 1) && i < 6; i++) {
        uint32_t comp = d->fp_comp[i], where = comp & 0x1ffffffc;
        if (!(comp & 1))
            continue;
        if (comp >> 30 & 1)
            d->break_at[d->break_count++] = where;
        if (comp >> 31)
            d->break_at[d->break_count++] = where + 2;
    }
    for (int i = 0; i < 4; i++)
        if ((d->dwt_function[i] & 15) == 4)
            d->break_at[d->break_count++] = d->dwt_comp[i] & ~1u;
    breaks_forget(b);
}

uint32_t cyccnt(struct board *b)
{
    const struct debug *d = &b->debug;
    bool on = (d->dwt_ctrl & 1) && (d->demcr & DEMCR_TRCENA);
    return d->cyccnt_base + (on ? (uint32_t)(now(b) - d->cyccnt_at - (b->slept_cycles - d->cyccnt_slept)) : 0);
}

void cyccnt_settle(struct board *b)
{
    b->debug.cyccnt_base = cyccnt(b);
    b->debug.cyccnt_at = now(b);
    b->debug.cyccnt_slept = b->slept_cycles;
}

// The engine sees data of RAM at one address, whichever the program used.
static uint32_t data_address(const struct board *b, uint32_t address)
{
    return address - RAM_CODE_BASE < b->ram_bytes ? address - RAM_CODE_BASE + RAM_BASE : address;
}

// A watched address was accessed: the CPU halts after the block, as DWT does after the instruction or a few more.
static void on_watch(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct board *b = user;
    (void)uc; (void)type; (void)size; (void)value;
    for (int i = 0; i < 4; i++) {
        uint32_t mask = ~((1u << (b->debug.dwt_mask[i] & 31)) - 1), watched = data_address(b, b->debug.dwt_comp[i] & mask);
        if ((b->debug.dwt_function[i] & 15) >= 5 && ((uint32_t)address & mask) == watched)
            b->debug.dwt_function[i] |= 1u << 24;  // MATCHED
    }
    if (b->debug.enabled)
        debug_halt(b, DFSR_DWT);
}

void debug_watch_update(struct board *b)
{
    struct debug *d = &b->debug;
    bool changed = false;
    for (int i = 0; i < 4; i++) {
        if (d->watch_hook[i]) {
            uc_hook_del(b->uc, d->watch_hook[i]);
            d->watch_hook[i] = 0;
            changed = true;
        }
        uint32_t function = d->dwt_function[i] & 15, length = 1u << (d->dwt_mask[i] & 31);
        if (function < 5 || function > 7)
            continue;
        int types = (function & 1 ? UC_HOOK_MEM_READ : 0) | (function & 2 ? UC_HOOK_MEM_WRITE : 0);
        uint32_t from = data_address(b, d->dwt_comp[i] & ~(length - 1));
        uc_hook_add(b->uc, &d->watch_hook[i], types, (void *)on_watch, b, from, from + (uint64_t)length - 1);
        changed = true;
    }
    if (changed) {
        uc_ctl_flush_tb(b->uc);
        blocks_forget_all(b);
    }
}

bool dwt_access(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    struct debug *d = &b->debug;
    uint32_t at = address & 0xfff, i = (at - 0x20) >> 4;
    if (at == 0) {
        if (store) {
            cyccnt_settle(b);
            d->dwt_ctrl = *value & 1;
        }
        *value = 0x40000000 | d->dwt_ctrl;
    } else if (at == 4) {
        if (store) {
            cyccnt_settle(b);
            d->cyccnt_base = *value;
        }
        *value = cyccnt(b);
    } else if (at >= 8 && at <= 0x1c) {
        *value = at == 0x1c ? reg_get(b, UC_ARM_REG_PC) : 0;
    } else if (at >= 0x20 && at < 0x60 && (at & 15) != 12) {
        uint32_t *reg = (at & 15) == 0 ? &d->dwt_comp[i] : (at & 15) == 4 ? &d->dwt_mask[i] : &d->dwt_function[i];
        if (store) {
            *reg = *value;
            debug_watch_update(b);
            breakpoints_update(b);
        }
        *value = *reg;
        if (!store && reg == &d->dwt_function[i])
            *reg &= ~(1u << 24);
    } else {
        return false;
    }
    return true;
}

bool fpb_access(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    struct debug *d = &b->debug;
    uint32_t at = address & 0xfff;
    if (at == 0) {
        if (store && (*value & 2))
            d->fp_ctrl = *value & 1;
        *value = 0x260 | d->fp_ctrl;  // six instruction comparators, two for literals
    } else if (at == 4) {
        *value = 0x20000000;
    } else if (at >= 8 && at < 0x28) {
        if (store)
            d->fp_comp[(at - 8) >> 2] = *value;
        *value = d->fp_comp[(at - 8) >> 2];
    } else {
        return false;
    }
    if (store)
        breakpoints_update(b);
    return true;
}
