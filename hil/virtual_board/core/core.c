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
    bool now = (b->pending & b->enabled) || b->stop || b->flush_wanted || b->reset_wanted || b->nor_count ||
               b->open_it || b->stepping || b->pages_stale;
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
    e = e ? e : uc_mem_map_ptr(b->uc, RAM_CODE_BASE, b->ram_bytes, UC_PROT_READ | UC_PROT_EXEC, b->ram_alias);
    e = e ? e : uc_mmio_map(b->uc, 0x10000000, 0x2000, ficr_read, b, ficr_write, b);
    e = e ? e : uc_mmio_map(b->uc, 0x40000000, 0x80000, apb_read, b, apb_write, b);
    e = e ? e : uc_mmio_map(b->uc, 0x50000000, 0x1000, gpio_read, b, gpio_write, b);
    e = e ? e : uc_mmio_map(b->uc, CRYPTOCELL_BASE, 0x2000, cryptocell_read, b, cryptocell_write, b);
    e = e ? e : uc_mmio_map(b->uc, 0xe0000000, 0x100000, scs_read, b, scs_write, b);
    e = e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_BLOCK, (void *)on_block, b, 1, 0);
    e = e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, b, 1, 0);
    e = e ? e : pages_create(b);
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
