// SPDX-License-Identifier: GPL-2.0-or-later
// Creation of the board and the run loop.
#include "board.h"
#include "thumb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t reg_get(struct board *b, int reg)
{
    uint32_t value = 0;
    uc_reg_read(b->uc, reg, &value);
    return value;
}

void reg_set(struct board *b, int reg, uint32_t value)
{
    uc_reg_write(b->uc, reg, &value);
}

void attention_update(struct board *b)
{
    bool now = (b->pending & b->enabled) || b->stop || b->flush_wanted || b->reset_wanted || b->nor_count;
    b->hook_deadline = now ? 0 : b->deadline;
}

void stop_with_report(struct board *b, const char *format, ...)
{
    va_list arguments;
    if (b->stop == STOP_REPORT)
        return;
    va_start(arguments, format);
    vsnprintf(b->report, sizeof b->report, format, arguments);
    va_end(arguments);
    b->stop = STOP_REPORT;
    attention_update(b);
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    struct board *b = user;
    b->interrupt = number;
    uc_emu_stop(uc);
}

static bool on_invalid_memory(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct board *b = user;
    (void)uc;
    if (type == UC_MEM_WRITE_PROT && address < FLASH_BYTES && nvmc_flash_store(b, (uint32_t)address, (uint32_t)value,
                                                                               (unsigned)size))
        return true;
    b->bus_fault = true;
    b->bus_fault_write = type == UC_MEM_WRITE_UNMAPPED || type == UC_MEM_WRITE_PROT;
    b->bus_fault_address = (uint32_t)address;
    return false;
}

// Finds where the engine keeps the bounds of a code hook. They are arguments of the public interface, recorded as two
// adjacent 64-bit words. When they are not found, skipped instructions are charged as if executed (`exact` says so).
static void find_hook_bounds(struct board *b, uc_hook hook, uint64_t begin, uint64_t end)
{
    static uint64_t nowhere[2];
    uint64_t *words = (uint64_t *)hook;
    b->hook_begin = nowhere;
    for (int i = 0; i < 8; i++)
        if (words[i] == begin && words[i + 1] == end) {
            b->hook_begin = &words[i];
            b->exact = true;
            break;
        }
    b->hook_end = b->hook_begin + 1;
    *b->hook_begin = *b->hook_end = 0xffffffff;
}

static uc_err engine_open(struct board *b)
{
    const uint64_t begin = 0x5a17c0de00000010, end = 0x5a17c0de00000020;
    uc_hook hook = 0;
    uc_err e = uc_open(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, &b->uc);
    if (e)
        return e;
    uc_ctl_set_cpu_model(b->uc, UC_CPU_ARM_CORTEX_M4);
    uc_ctl_set_tcg_buffer_size(b->uc, 256u << 20);
    e = uc_mem_map_ptr(b->uc, 0, FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC, b->flash);
    e = e ? e : uc_mem_map_ptr(b->uc, RAM_BASE, b->ram_bytes, UC_PROT_READ | UC_PROT_WRITE, b->ram);
    e = e ? e : uc_mem_map_ptr(b->uc, RAM_CODE_BASE, b->ram_bytes, UC_PROT_ALL, b->ram_alias);
    e = e ? e : uc_mmio_map(b->uc, 0x10000000, 0x2000, ficr_read, b, ficr_write, b);
    e = e ? e : uc_mmio_map(b->uc, 0x40000000, 0x80000, apb_read, b, apb_write, b);
    e = e ? e : uc_mmio_map(b->uc, 0x50000000, 0x1000, gpio_read, b, gpio_write, b);
    e = e ? e : uc_mmio_map(b->uc, 0xe0000000, 0x100000, scs_read, b, scs_write, b);
    e = e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_BLOCK, (void *)on_block, b, 1, 0);
    e = e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, b, 1, 0);
    e = e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_MEM_INVALID, (void *)on_invalid_memory, b, 1, 0);
    e = e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_CODE, (void *)on_conditional, b, begin, end);
    if (!e)
        find_hook_bounds(b, hook, begin, end);
    return e;
}

EXPORT struct board *tb_create(uint32_t ram_bytes, uint64_t seed)
{
    struct board *b = calloc(1, sizeof *b);
    b->ram_bytes = ram_bytes;
    b->flash = aligned_alloc(4096, FLASH_BYTES);
    if (!ram_create(b))
        return NULL;
    b->ram_shadow = calloc(1, ram_bytes);
    memset(b->flash, 0xff, FLASH_BYTES);
    memset(b->ram, 0, ram_bytes);
    memset(b->uicr, 0xff, sizeof b->uicr);
    b->flash_blocks = calloc(FLASH_BYTES / 2, sizeof *b->flash_blocks);
    b->ram_blocks = calloc(ram_bytes / 2, sizeof *b->ram_blocks);
    b->alias_blocks = calloc(ram_bytes / 2, sizeof *b->alias_blocks);
    b->conditional_flash = calloc(1, FLASH_BYTES / 2);
    b->conditional_ram = calloc(1, ram_bytes / 2);
    b->seed = b->rng_state = seed;
    for (int i = 0; i < SLOTS; i++)
        b->due[i] = NEVER;
    b->deadline = NEVER;
    peripherals_create(b);
    tb_cycle_model(b, MODEL_ZERO);
    if (engine_open(b))
        return NULL;
    board_reset(b, 0);
    return b;
}

EXPORT void tb_destroy(struct board *b)
{
    uc_close(b->uc);
    free(b->flash); free(b->ram_shadow);
    ram_destroy(b);
    free(b->flash_blocks); free(b->ram_blocks); free(b->alias_blocks);
    free(b->conditional_flash); free(b->conditional_ram);
    free(b->power.bins); free(b->power.logic);
    free(b);
}

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
    if (pc == b->fallthrough)
        t = thumb_decode(code_at(b, instruction_before(b, pc)));
    if (t.hint == HINT_WFE) {
        if (!b->event_register)
            b->sleeping = b->wait_for_event = true;
        b->event_register = false;
    } else if (t.hint != HINT_YIELD) {
        fault_raise(b, EXC_USAGE, 1u << 16, pc);
    }
}

// Stores into executable memory are slower, since the engine looks for code there: data RAM becomes executable when the
// first instruction is fetched from it.
void ram_executable(struct board *b, bool yes)
{
    if (b->ram_executable == yes)
        return;
    b->ram_executable = yes;
    uc_mem_protect(b->uc, RAM_BASE, b->ram_bytes, yes ? UC_PROT_ALL : UC_PROT_READ | UC_PROT_WRITE);
    blocks_forget(b, RAM_BASE, RAM_BASE + b->ram_bytes);
}

static void handle_memory_fault(struct board *b, uc_err e, uint32_t pc)
{
    b->bus_fault = false;
    if (pc >= 0xf0000000 && (reg_get(b, UC_ARM_REG_IPSR) & 0x1ff)) {
        exception_return(b, pc | 1);
    } else if (e == UC_ERR_FETCH_PROT && pc - RAM_BASE < b->ram_bytes && !b->ram_executable) {
        ram_executable(b, true);
    } else if (e == UC_ERR_FETCH_UNMAPPED || e == UC_ERR_FETCH_PROT) {
        fault_raise(b, EXC_BUS, 1u << 8, pc);  // IBUSERR
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
            fault_raise(b, EXC_HARD, 0, pc);  // SVC where it may not preempt escalates
        }
        break;
    case 7:
        breakpoint_hit(b, pc);
        break;
    case 8:
        exception_return(b, pc | 1);
        break;
    default:
        fault_raise(b, EXC_USAGE, 1u << (b->interrupt == 18 ? 17 : 16), pc);
    }
}

// Lets the engine run until it stops, and deals with the reason.
void cpu_run(struct board *b, size_t count)
{
    uint32_t pc = reg_get(b, UC_ARM_REG_PC);
    uc_err e;
    b->interrupt = 0;
    b->interrupted = b->bus_fault = false;
    e = uc_emu_start(b->uc, pc | 1, 0xfffffffe, 0, count);
    pc = reg_get(b, UC_ARM_REG_PC);
    if (b->interrupt)
        handle_interrupt(b, pc);
    else if (e == UC_ERR_INSN_INVALID)
        handle_invalid_instruction(b, pc);
    else if (e == UC_ERR_EXCEPTION)
        fault_raise(b, EXC_USAGE, 1u << 17, pc);  // INVSTATE
    else if (e)
        handle_memory_fault(b, e, pc);
    else if (!b->interrupted && !count)
        b->sleeping = true;  // WFI
    if (b->ram_hook_wanted && !b->ram_hook)
        uc_hook_add(b->uc, &b->ram_hook, UC_HOOK_CODE, (void *)on_conditional, b, RAM_BASE,
                    RAM_BASE + (uint64_t)b->ram_bytes - 1);
    if (b->flush_wanted) {
        b->flush_wanted = false;
        uc_ctl_remove_cache(b->uc, (uint64_t)b->flush_from, (uint64_t)b->flush_to);
        if (b->flush_from - RAM_BASE < b->ram_bytes)
            uc_ctl_remove_cache(b->uc, (uint64_t)b->flush_from - RAM_BASE + RAM_CODE_BASE,
                                (uint64_t)b->flush_to - RAM_BASE + RAM_CODE_BASE);
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
