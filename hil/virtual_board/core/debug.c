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
    if (coresight_identify(address, value))
        return true;
    *value = 0;
    if ((address & ~0xfffu) == 0xe0001000)
        return dwt_access(b, address, value, false);
    if ((address & ~0xfffu) == 0xe0002000)
        return fpb_access(b, address, value, false);
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
        return dwt_access(b, address, &value, true);
    if ((address & ~0xfffu) == 0xe0002000)
        return fpb_access(b, address, &value, true);
    return (address & ~0xfffu) == 0xe0000000;
}
