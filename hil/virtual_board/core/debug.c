// SPDX-License-Identifier: GPL-2.0-or-later
// Debug: halting, stepping, FPB breakpoints, DWT watchpoints and cycle counter, as ARMv7-M ARM part C has them.
#include "board.h"
#include "thumb.h"

#include <string.h>

enum { DFSR_HALTED = 1, DFSR_BKPT = 2, DFSR_DWT = 4, DFSR_VCATCH = 8, DFSR_EXTERNAL = 16 };
enum { DEMCR_VC_CORERESET = 1, DEMCR_VC_HARDERR = 1 << 10, DEMCR_TRCENA = 1 << 24 };

void debug_halt(struct board *b, uint32_t dfsr_bits)
{
    b->debug.halted = true;
    b->sleeping = b->wait_for_event = false;  // a debug entry request ends WFI and WFE (ARMv7-M B1.5.19)
    b->debug.dfsr |= dfsr_bits;
    b->debug.step = false;
    if (b->stop == STOP_NONE)
        b->stop = STOP_HALT;
    attention_update(b);
}

void debug_after_reset(struct board *b)
{
    struct debug *d = &b->debug;
    if (d->enabled && (d->demcr & DEMCR_VC_CORERESET))
        debug_halt(b, DFSR_VCATCH);
}

// Vector catch: halts before a fault's handler would run.
void debug_fault(struct board *b, int number, uint32_t cfsr_bits, uint32_t pc)
{
    static const uint16_t catching[] = {[EXC_HARD] = 1 << 10, [EXC_MEMORY] = 1 << 4, [EXC_BUS] = 1 << 8,
                                        [EXC_USAGE] = 7 << 5};
    (void)cfsr_bits;
    if (number <= EXC_USAGE && (b->debug.demcr & catching[number])) {
        reg_set(b, UC_ARM_REG_PC, pc | 1);
        exception_pend(b, number, true);
        debug_halt(b, DFSR_VCATCH);
    }
}

void breakpoint_hit(struct board *b, uint32_t pc)
{
    if (b->debug.enabled) {
        reg_set(b, UC_ARM_REG_PC, pc | 1);
        debug_halt(b, DFSR_BKPT);
    } else {
        b->hfsr |= 1u << 31;  // DEBUGEVT
        fault_raise(b, EXC_HARD, 0, pc);
    }
}

static bool is_breakpoint(const struct board *b, uint32_t pc)
{
    const struct debug *d = &b->debug;
    for (int i = 0; i < d->break_count; i++)
        if (d->break_at[i] == pc)
            return true;
    return false;
}

bool debug_breaks_in(const struct board *b, uint32_t address, uint32_t size)
{
    const struct debug *d = &b->debug;
    for (int i = 0; i < d->break_count; i++)
        if (d->break_at[i] - address < size)
            return true;
    return false;
}

// Blocks without a breakpoint run at full speed; the block hook stops before the others, which are then stepped through.
bool debug_is_near(struct board *b)
{
    const struct debug *d = &b->debug;
    return d->break_count && reg_get(b, UC_ARM_REG_PC) - d->near_from < d->near_bytes;
}

// One step, unless there is a breakpoint right here.
void debug_run(struct board *b)
{
    struct debug *d = &b->debug;
    uint32_t pc = reg_get(b, UC_ARM_REG_PC);
    if (is_breakpoint(b, pc) && d->pass_over != pc && !d->step) {
        debug_halt(b, DFSR_BKPT);
        return;
    }
    d->pass_over = 1;
    power_update(b);
    cpu_step(b);
    if (d->step)
        debug_halt(b, DFSR_HALTED);
}

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

static void cyccnt_settle(struct board *b)
{
    b->debug.cyccnt_base = cyccnt(b);
    b->debug.cyccnt_at = now(b);
    b->debug.cyccnt_slept = b->slept_cycles;
}

// A watched address was accessed: the CPU halts after the block, as DWT does after the instruction or a few more.
static void on_watch(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct board *b = user;
    (void)uc; (void)type; (void)size; (void)value;
    for (int i = 0; i < 4; i++) {
        uint32_t mask = ~((1u << (b->debug.dwt_mask[i] & 31)) - 1);
        if ((b->debug.dwt_function[i] & 15) >= 5 && ((uint32_t)address & mask) == (b->debug.dwt_comp[i] & mask))
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
        uint32_t from = d->dwt_comp[i] & ~(length - 1);
        uc_hook_add(b->uc, &d->watch_hook[i], types, (void *)on_watch, b, from, from + (uint64_t)length - 1);
        changed = true;
    }
    if (changed) {
        uc_ctl_flush_tb(b->uc);
        blocks_forget_all(b);
    }
}

static bool dwt(struct board *b, uint32_t address, uint32_t *value, bool store)
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

static bool fpb(struct board *b, uint32_t address, uint32_t *value, bool store)
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

static bool identify(uint32_t address, uint32_t *value)
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

static uint32_t dhcsr(struct board *b)
{
    const struct debug *d = &b->debug;
    return (d->enabled ? 1u : 0) | (d->halted ? 1u << 1 | 1u << 17 : 0) | (d->mask_interrupts ? 1u << 3 : 0) |
           1u << 16 | (b->sleeping ? 1u << 18 : 0) | (b->locked_up && !d->halted ? 1u << 19 : 0);
}

EXPORT uint32_t tb_dhcsr(struct board *b)
{
    uint32_t value = dhcsr(b) | (b->reset_count != b->debug.reset_seen ? 1u << 25 : 0);
    b->debug.reset_seen = b->reset_count;
    return value;
}

static void dhcsr_write(struct board *b, uint32_t value)
{
    struct debug *d = &b->debug;
    bool was_halted = d->halted;
    if (value >> 16 != 0xa05f)
        return;
    d->enabled = value & 1;
    d->mask_interrupts = (value & 9) == 9;
    if ((value & 3) == 3) {
        if (!was_halted)
            debug_halt(b, DFSR_HALTED);
        return;
    }
    if (was_halted) {
        d->halted = false;
        d->step = (value & 5) == 5;
        d->pass_over = reg_get(b, UC_ARM_REG_PC);
    }
    attention_update(b);
}

// DCRSR's register numbers: ARMv7-M ARM C1.6.3.
static int engine_register(uint32_t number)
{
    static const int others[] = {UC_ARM_REG_SP, UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_XPSR, UC_ARM_REG_MSP,
                                 UC_ARM_REG_PSP};
    if (number < 13)
        return UC_ARM_REG_R0 + (int)number;
    if (number < 19)
        return others[number - 13];
    if (number >= 64 && number < 96)
        return UC_ARM_REG_S0 + (int)number - 64;
    return number == 33 ? UC_ARM_REG_FPSCR : -1;
}

static uint32_t s_register(struct board *b, uint32_t index, const uint32_t *store)
{
    uint32_t pair[2];
    uc_reg_read(b->uc, UC_ARM_REG_D0 + (int)index / 2, pair);
    if (store) {
        pair[index & 1] = *store;
        uc_reg_write(b->uc, UC_ARM_REG_D0 + (int)index / 2, pair);
    }
    return pair[index & 1];
}

EXPORT uint32_t tb_register_read(struct board *b, uint32_t number)
{
    if (number == 20)
        return reg_get(b, UC_ARM_REG_CONTROL) << 24 | (reg_get(b, UC_ARM_REG_FAULTMASK) & 1) << 16 |
               (reg_get(b, UC_ARM_REG_BASEPRI) & 0xff) << 8 | (reg_get(b, UC_ARM_REG_PRIMASK) & 1);
    if (number >= 64 && number < 96)
        return s_register(b, number - 64, NULL);
    int reg = engine_register(number);
    uint32_t value = reg < 0 ? 0 : reg_get(b, reg);
    return number == 16 ? value | 1u << 24 : value;
}

EXPORT void tb_register_write(struct board *b, uint32_t number, uint32_t value)
{
    if (number == 20) {
        reg_set(b, UC_ARM_REG_FAULTMASK, value >> 16 & 1);
        reg_set(b, UC_ARM_REG_BASEPRI, value >> 8 & 0xff);
        reg_set(b, UC_ARM_REG_PRIMASK, value & 1);
        reg_set(b, UC_ARM_REG_CONTROL, value >> 24 & 7);
    } else if (number >= 64 && number < 96) {
        s_register(b, number - 64, &value);
    } else if (number == 16) {
        reg_set(b, UC_ARM_REG_XPSR_NZCVQG, value | 1u << 24);
        b->open_it = (value & 0x0600fc00) != 0;
    } else if (number == 15) {
        reg_set(b, UC_ARM_REG_PC, value | 1);
        b->locked_up = b->sleeping = false;
        b->fallthrough = 0;
        b->path_taken = 0;
    } else if (engine_register(number) >= 0) {
        reg_set(b, engine_register(number), value);
    }
    attention_update(b);
}

bool debug_read(struct board *b, uint32_t address, uint32_t *value)
{
    switch (address) {
    case 0xe000ed30: *value = b->debug.dfsr; return true;
    case 0xe000edf0: *value = tb_dhcsr(b); return true;
    case 0xe000edf8: *value = b->debug.dcrdr; return true;
    case 0xe000edfc: *value = b->debug.demcr; return true;
    case 0xe0040000 + 0xfcc: *value = 0; return true;
    default: break;
    }
    if (identify(address, value))
        return true;
    *value = 0;
    if ((address & ~0xfffu) == 0xe0001000)
        return dwt(b, address, value, false);
    if ((address & ~0xfffu) == 0xe0002000)
        return fpb(b, address, value, false);
    return (address & ~0xfffu) == 0xe0000000;  // ITM: nobody listens to the trace
}

bool debug_write(struct board *b, uint32_t address, uint32_t value)
{
    switch (address) {
    case 0xe000ed30: b->debug.dfsr &= ~value; return true;
    case 0xe000edf0: dhcsr_write(b, value); return true;
    case 0xe000edf4:
        if (value & 1u << 16)
            tb_register_write(b, value & 0x7f, b->debug.dcrdr);
        else
            b->debug.dcrdr = tb_register_read(b, value & 0x7f);
        return true;
    case 0xe000edf8: b->debug.dcrdr = value; return true;
    case 0xe000edfc:
        cyccnt_settle(b);
        b->debug.demcr = value;
        return true;
    default: break;
    }
    if ((address & ~0xfffu) == 0xe0001000)
        return dwt(b, address, &value, true);
    if ((address & ~0xfffu) == 0xe0002000)
        return fpb(b, address, &value, true);
    return (address & ~0xfffu) == 0xe0000000;
}
