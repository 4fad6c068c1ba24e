// SPDX-License-Identifier: GPL-2.0-or-later
// Exceptions and the NVIC: ARMv7-M ARM (DDI 0403E) section B1.5.
#include "board.h"

#include <string.h>

enum { ENTRY_CYCLES = 12, RETURN_CYCLES = 10, TAIL_CYCLES = 6, XPSR_T = 1 << 24 };

static uint64_t bit(int number)
{
    return (uint64_t)1 << number;
}

static void lock_up(struct board *b, const char *why, uint32_t pc)
{
    uint32_t xpsr = reg_get(b, UC_ARM_REG_XPSR);
    b->locked_up = true;
    stop_with_report(b, "the CPU locked up: %s; PC 0x%08x, xPSR 0x%08x, CFSR 0x%08x, HFSR 0x%08x, BFAR 0x%08x", why, pc,
                     xpsr, b->cfsr, b->hfsr, b->bfar);
}

static bool frame_push(struct board *b, uint32_t return_address, uint32_t xpsr, uint32_t *magic)
{
    uint32_t frame[26] = {0}, words = 8;
    uint32_t control = reg_get(b, UC_ARM_REG_CONTROL);
    bool thread = !(xpsr & 0x1ff), extended = (control & 4) && (b->cpacr >> 20 & 3);
    uint32_t sp = reg_get(b, UC_ARM_REG_SP), align = (b->ccr & 0x200) != 0;
    static const int low[] = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_R12,
                              UC_ARM_REG_LR};
    for (int i = 0; i < 6; i++)
        frame[i] = reg_get(b, low[i]);
    frame[6] = return_address & ~1u;
    if (extended) {
        for (int i = 0; i < 8; i++)
            uc_reg_read(b->uc, UC_ARM_REG_D0 + i, &frame[8 + 2 * i]);
        frame[24] = reg_get(b, UC_ARM_REG_FPSCR);
        words = 26;
        align = 1;
    }
    uint32_t at = sp - 4 * words;
    bool padded = align && (at & 4);
    if (padded)
        at -= 4;
    frame[7] = (xpsr & ~0x200u) | (padded ? 0x200u : 0);
    bool written = memory_write(b, at, frame, 4 * words);
    reg_set(b, UC_ARM_REG_SP, at);
    *magic = 0xffffffe1 | (extended ? 0 : 0x10) | (thread ? 8 : 0) | (thread && (control & 2) ? 4 : 0);
    if (!(control & 1) || !thread)
        reg_set(b, UC_ARM_REG_CONTROL, control & (thread ? 1u : 3u));
    return written;
}

static void take(struct board *b, int number, uint32_t magic)
{
    uint32_t vector = 0, xpsr = reg_get(b, UC_ARM_REG_XPSR);
    b->pending &= ~bit(number);
    b->active |= bit(number);
    b->event_register = true;
    b->open_it = false;
    b->exceptions_taken++;
    reg_set(b, UC_ARM_REG_XPSR_NZCVQG, (xpsr & 0xf80f0000) | XPSR_T | (uint32_t)number);
    reg_set(b, UC_ARM_REG_LR, magic);
    if (!memory_read(b, b->vtor + 4 * (uint32_t)number, &vector, 4) || vector == 0xffffffff) {
        lock_up(b, "the vector cannot be fetched", b->vtor + 4 * (uint32_t)number);
        return;
    }
    reg_set(b, UC_ARM_REG_PC, vector);
    mpu_update(b);
    attention_update(b);
}

// Late arrival: what became pending while the frame was written and is more urgent goes first, on the same frame; what the
// frame was written for stays pending and is chained behind it.
static int late_arrival(struct board *b, int number)
{
    if (b->cycle >= b->deadline)
        events_run(b);
    int late = exception_ready(b, false);
    if (!late || !more_urgent(b, late, number))
        return number;
    b->pending |= bit(number);
    return late;
}

// What a fault of this kind leads to here: itself, or HardFault where it is disabled or not urgent enough.
static int escalate(struct board *b, int number)
{
    int level = masked_priority(b, active_priority(b), false);
    if (number == EXC_HARD || ((b->enabled & bit(number)) && group_priority(b, number) < level))
        return number;
    b->hfsr |= 1u << 30;  // FORCED
    return EXC_HARD;
}

// The frame could not be written: a bus fault derived from the entry, taken before or after what the entry was for.
static int stacking_fault(struct board *b, int number)
{
    b->cfsr |= 1u << 12;  // STKERR
    int derived = escalate(b, EXC_BUS);
    b->pending |= bit(number) | bit(derived);
    return more_urgent(b, derived, number) ? derived : number;
}

void exception_enter(struct board *b, int number, uint32_t return_address)
{
    uint32_t magic = 0, xpsr = reg_get(b, UC_ARM_REG_XPSR) | XPSR_T;
    b->cycle += ENTRY_CYCLES;
    b->fallthrough = 0;
    b->path_taken = 0;
    if (!frame_push(b, return_address, xpsr, &magic)) {
        if (number <= EXC_HARD || active_priority(b) < 0) {
            lock_up(b, "the stack cannot be written", return_address);
            return;
        }
        number = stacking_fault(b, number);
    }
    take(b, late_arrival(b, number), magic);
}

static bool frame_pop(struct board *b, uint32_t magic)
{
    uint32_t frame[26] = {0}, words = magic & 0x10 ? 8 : 26;
    bool thread = magic & 8, psp = magic & 4;
    uint32_t sp = reg_get(b, psp ? UC_ARM_REG_PSP : UC_ARM_REG_MSP);
    if (!memory_read(b, sp, frame, 4 * words))
        return false;
    uint32_t after = sp + 4 * words + (frame[7] & 0x200 ? 4 : 0);
    uint32_t control = (reg_get(b, UC_ARM_REG_CONTROL) & 1) | (magic & 0x10 ? 0 : 4);
    reg_set(b, UC_ARM_REG_CONTROL, control);
    reg_set(b, psp ? UC_ARM_REG_PSP : UC_ARM_REG_MSP, after);
    static const int low[] = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_R12};
    for (int i = 0; i < 5; i++)
        reg_set(b, low[i], frame[i]);
    if (words == 26) {
        for (int i = 0; i < 8; i++)
            uc_reg_write(b->uc, UC_ARM_REG_D0 + i, &frame[8 + 2 * i]);
        reg_set(b, UC_ARM_REG_FPSCR, frame[24]);
    }
    uint32_t xpsr = frame[7] & 0xff0ffdff;
    reg_set(b, UC_ARM_REG_XPSR_NZCVQG, (xpsr & ~0x1ffu) | (thread ? 0 : xpsr & 0x1ff));
    if (thread && psp)
        reg_set(b, UC_ARM_REG_CONTROL, control | 2);
    reg_set(b, UC_ARM_REG_LR, frame[5]);
    reg_set(b, UC_ARM_REG_PC, frame[6] | (xpsr & XPSR_T ? 1 : 0));
    b->open_it = (frame[7] & 0x0600fc00) != 0;
    return true;
}

// Notes a fault at `pc`. Returns what to take for it, 0 when the core stopped instead.
static int fault_note(struct board *b, int number, uint32_t cfsr_bits, uint32_t pc)
{
    b->cfsr |= cfsr_bits;
    if (masked_priority(b, active_priority(b), false) <= -1) {
        lock_up(b, "a fault inside a fault handler", pc);
        return 0;
    }
    number = escalate(b, number);
    if (b->debug.enabled && (b->debug.demcr & 0x7f0)) {
        debug_fault(b, number, cfsr_bits, pc);
        if (b->debug.halted)
            return 0;
    }
    return number;
}

// A synchronous fault at `return_address`: taken at once, escalated to HardFault where it may not preempt.
void fault_raise(struct board *b, int number, uint32_t cfsr_bits, uint32_t return_address)
{
    number = fault_note(b, number, cfsr_bits, return_address);
    if (!number)
        return;
    reg_set(b, UC_ARM_REG_PC, return_address | 1);
    exception_enter(b, number, return_address);
}

// A fault of an exception's return: chained behind it, on the frame that it did not take back.
static void fault_chain(struct board *b, int number, uint32_t cfsr_bits, uint32_t magic)
{
    number = fault_note(b, number, cfsr_bits, reg_get(b, UC_ARM_REG_PC));
    if (!number)
        return;
    b->cycle += TAIL_CYCLES;
    take(b, number, magic);
}

void exception_return(struct board *b, uint32_t magic)
{
    int number = (int)(reg_get(b, UC_ARM_REG_IPSR) & 0x3f);
    uint32_t kind = magic & 0xf;
    b->active &= ~bit(number);
    b->event_register = true;
    b->fallthrough = 0;
    b->path_taken = 0;
    if (number != EXC_NMI)
        reg_set(b, UC_ARM_REG_FAULTMASK, 0);
    if (b->level & bit(number))
        b->pending |= bit(number);
    if ((kind != 1 && kind != 9 && kind != 13) || (kind == 1) != (b->active != 0)) {
        fault_chain(b, EXC_USAGE, 1u << 18, magic);  // INVPC
        return;
    }
    mpu_update(b);
    if (!frame_pop(b, magic)) {
        fault_chain(b, EXC_BUS, 1u << 11, magic);  // UNSTKERR
        return;
    }
    attention_update(b);
    if (exception_ready(b, false)) {
        // Tail-chaining: the frame that was just read stays where it is.
        b->cycle += TAIL_CYCLES - ENTRY_CYCLES;
        return;
    }
    b->cycle += RETURN_CYCLES;
    if ((b->scr & 2) && !b->active)
        b->sleeping = true;  // SLEEPONEXIT
}
