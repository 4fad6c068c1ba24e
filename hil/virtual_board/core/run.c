// SPDX-License-Identifier: GPL-2.0-or-later
// The run loop: lets the engine run, deals with what stops it, and lets time pass while the core sleeps.
#include "board.h"
#include "thumb.h"

enum { UNDEFINSTR = 1 << 16, INVSTATE = 1 << 17 };

// Start of the instruction whose successor is `next`, within the block that ran last.
static uint32_t instruction_before(struct board *b, uint32_t next)
{
    uint32_t at = b->path[(b->path_at - 1) & (PATH_BLOCKS - 1)], last = at;
    while (at < next && code_at(b, at)) {
        last = at;
        at += thumb_decode(code_at(b, at)).bytes;
    }
    return at == next ? last : next;
}

// WFE and YIELD leave the engine with the PC behind them, undefined instructions with the PC at them.
static void handle_invalid_instruction(struct board *b, uint32_t pc)
{
    struct thumb t = {0};
    if (!(reg_get(b, UC_ARM_REG_XPSR) >> 24 & 1)) {
        fault_raise(b, EXC_USAGE, INVSTATE, pc);
        return;
    }
    if (pc == b->fallthrough)
        t = thumb_decode(code_at(b, instruction_before(b, pc)));
    if (t.hint == HINT_WFE) {
        if (!b->event_register)
            b->sleeping = b->wait_for_event = true;
        b->event_register = false;
    } else if (t.hint != HINT_YIELD) {
        fault_raise(b, EXC_USAGE, UNDEFINSTR, pc);
    }
}

static void handle_memory_fault(struct board *b, uc_err e, uint32_t pc)
{
    b->bus_fault = false;
    if (pc >= 0xf0000000 && (reg_get(b, UC_ARM_REG_IPSR) & 0x1ff)) {
        exception_return(b, pc | 1);
    } else if (b->fetch_refused) {
        fault_raise(b, EXC_MEMORY, 1u << 0, pc);  // IACCVIOL
    } else if (e == UC_ERR_FETCH_UNMAPPED || e == UC_ERR_FETCH_PROT) {
        fault_raise(b, EXC_BUS, 1u << 8, pc);  // IBUSERR
    } else if (b->mpu_refused) {
        b->mmfar = b->bus_fault_address;
        fault_raise(b, EXC_MEMORY, 1u << 7 | 1u << 1, pc);  // MMARVALID, DACCVIOL
    } else {
        b->bfar = b->bus_fault_address;
        fault_raise(b, EXC_BUS, 1u << 15 | 1u << 9, pc);  // BFARVALID, PRECISERR
    }
}

static void handle_interrupt(struct board *b, uint32_t pc)
{
    switch (b->interrupt) {
    case 2:
        exception_pend(b, EXC_SVC, true);
        if (!exception_ready(b, false)) {
            exception_pend(b, EXC_SVC, false);
            b->hfsr |= 1u << 30;  // FORCED: SVC where it may not preempt escalates
            fault_raise(b, EXC_HARD, 0, pc);
        }
        break;
    case 7:
        breakpoint_hit(b, pc);
        break;
    case 8:
        exception_return(b, pc | 1);
        break;
    default:
        fault_raise(b, EXC_USAGE, b->interrupt == 18 ? INVSTATE : UNDEFINSTR, pc);
    }
}

// Lets the engine run until it stops, and deals with the reason.
void cpu_run(struct board *b, size_t count)
{
    uint32_t pc = reg_get(b, UC_ARM_REG_PC);
    uc_err e;
    if (b->pages_stale)
        pages_forget(b);
    b->interrupt = 0;
    b->interrupted = b->bus_fault = b->mpu_refused = b->fetch_refused = false;
    e = uc_emu_start(b->uc, pc | 1, 0xfffffffe, 0, count);
    pc = reg_get(b, UC_ARM_REG_PC);
    if (b->interrupt)
        handle_interrupt(b, pc);
    else if (e == UC_ERR_INSN_INVALID)
        handle_invalid_instruction(b, pc);
    else if (e == UC_ERR_EXCEPTION && !b->fetch_refused)
        fault_raise(b, EXC_USAGE, INVSTATE, pc);
    else if (e)
        handle_memory_fault(b, e, pc);
    else if (!b->interrupted && !count)
        b->sleeping = true;  // WFI
    if (b->flush_wanted) {
        b->flush_wanted = false;
        uc_ctl_remove_cache(b->uc, (uint64_t)b->flush_from, (uint64_t)b->flush_to);
        attention_update(b);
    }
}

static void sleep_on(struct board *b)
{
    bool held = b->debug.halted || b->locked_up || b->system_off || b->unpowered;
    if (!held && (exception_ready(b, true) || (b->wait_for_event && b->event_register))) {
        b->sleeping = false;
        if (b->wait_for_event)
            b->event_register = b->wait_for_event = false;
        power_update(b);
        return;
    }
    b->slept_cycles += b->deadline > b->cycle ? b->deadline - b->cycle : 0;
    if (b->deadline > b->cycle)
        b->cycle = b->deadline;
}

// Runs to `until` (a cycle) or to something that the caller has to deal with. Returns an enum stop.
EXPORT int tb_run(struct board *b, uint64_t until)
{
    b->stop = STOP_NONE;
    slot_set(b, SLOT_SLICE, until);
    while (b->stop == STOP_NONE) {
        if (b->cycle >= b->deadline)
            events_run(b);
        if (b->reset_wanted)
            board_reset(b, b->reset_reason);
        if (b->stop)
            break;
        if (b->debug.halted || b->locked_up || b->system_off || b->unpowered || b->sleeping) {
            power_update(b);
            sleep_on(b);
            continue;
        }
        int exception = exception_ready(b, false);
        if (exception) {
            exception_enter(b, exception, reg_get(b, UC_ARM_REG_PC));
            continue;
        }
        if (b->debug.step || debug_is_near(b)) {
            debug_run(b);
            continue;
        }
        cpu_leave_stepping(b);
        power_update(b);
        cpu_run(b, 0);
        if (b->fp_trap)
            cpu_fp_trap(b);
    }
    power_advance(b, b->cycle);
    return b->stop;
}
