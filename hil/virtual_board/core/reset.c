// SPDX-License-Identifier: GPL-2.0-or-later
// Reset and the supply. Product specification, chapter POWER, "Reset behavior".
#include "board.h"

#include <string.h>

static void system_reset(struct board *b)
{
    b->pending = b->active = b->level = 0;
    b->enabled = 1u << EXC_NMI | 1u << EXC_HARD | 1u << EXC_SVC | 1u << EXC_DEBUG | 1u << EXC_PENDSV |
                 1u << EXC_SYSTICK;
    memset(b->priority, 0, sizeof b->priority);
    memset(&b->systick, 0, sizeof b->systick);
    b->prigroup = 0;
    b->vtor = b->cfsr = b->hfsr = b->mmfar = b->bfar = b->scr = b->actlr = b->fpcar = b->fpdscr = 0;
    b->ccr = 0x200;
    b->fpccr = 0xc0000000;
    cpacr_set(b, 0);
    b->special |= BLOCK_RAM | BLOCK_EVENT | BLOCK_OPEN_IT | BLOCK_BREAK;
    b->pages_stale |= b->mpu.ctrl & 1;
    memset(&b->mpu, 0, sizeof b->mpu);
    b->mpu.off = true;
    b->system_off = false;
    b->sleeping = b->wait_for_event = b->event_register = b->locked_up = b->open_it = b->fp_trap = false;
    b->fallthrough = b->path_taken = 0;
}

static void peripherals_reset(struct board *b)
{
    uint64_t slice = b->due[SLOT_SLICE], fault = b->due[SLOT_FAULT], card = b->due[SLOT_CARD];
    for (int i = 0; i < SLOTS; i++)
        b->due[i] = NEVER;
    b->due[SLOT_SLICE] = slice;
    b->due[SLOT_FAULT] = fault;
    b->due[SLOT_CARD] = card;
    for (int i = 0; i < b->peripheral_count; i++)
        peripheral_reset(&b->peripherals[i]);
    memset(b->timers, 0, sizeof b->timers);
    memset(b->rtcs, 0, sizeof b->rtcs);
    memset(&b->uart, 0, sizeof b->uart);
    memset(b->spim_bytes, 0, sizeof b->spim_bytes);
    b->hf_running = b->lf_running = false;
    for (int port = 0; port < 2; port++) {
        for (int i = 0; i < 32; i++)
            b->gpio_cnf[port][i] = 2;
        b->gpio_dir[port] = b->gpio_out[port] = b->gpio_latch[port] = b->gpio_detect[port] = 0;
        for (int i = 0; i < 32; i++)
            tb_pin_input(b, 32 * port + i, b->gpio_driven[port] >> i & 1 ? (int)(b->gpio_in[port] >> i & 1) : -1);
    }
    slot_set(b, SLOT_SLICE, slice);
    uart_input(b);
}

static void core_reset(struct board *b)
{
    uint32_t zero = 0, sp = 0, pc = 0;
    static const int cleared[] = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_R4,
        UC_ARM_REG_R5, UC_ARM_REG_R6, UC_ARM_REG_R7, UC_ARM_REG_R8, UC_ARM_REG_R9, UC_ARM_REG_R10, UC_ARM_REG_R11,
        UC_ARM_REG_R12, UC_ARM_REG_FPSCR};
    reg_set(b, UC_ARM_REG_XPSR_NZCVQG, 0x01000003);  // a handler's mode: privileged, whatever CONTROL says
    reg_set(b, UC_ARM_REG_CONTROL, 0);
    reg_set(b, UC_ARM_REG_PRIMASK, 0);
    reg_set(b, UC_ARM_REG_BASEPRI, 0);
    reg_set(b, UC_ARM_REG_FAULTMASK, 0);
    reg_set(b, UC_ARM_REG_XPSR_NZCVQG, 0x01000000);
    reg_set(b, UC_ARM_REG_CONTROL, 0);
    for (unsigned i = 0; i < sizeof cleared / sizeof *cleared; i++)
        uc_reg_write(b->uc, cleared[i], &zero);
    memory_read(b, 0, &sp, 4);
    memory_read(b, 4, &pc, 4);
    reg_set(b, UC_ARM_REG_MSP, sp & ~3u);
    reg_set(b, UC_ARM_REG_PSP, 0);
    reg_set(b, UC_ARM_REG_LR, 0xffffffff);
    reg_set(b, UC_ARM_REG_PC, pc);
    // UICR.APPROTECT takes effect at reset: anything but 0xff in its low byte closes the debug port.
    b->protected = (b->uicr[0x208 >> 2] & 0xff) != 0xff;
    // Erased flash has no vector: the core locks up at once and stays there until a probe helps.
    b->locked_up = !(pc & 1) || !code_at(b, pc & ~1u) || !ram_pointer(b, (sp & ~3u) - 4, 4);
}

void board_reset(struct board *b, uint32_t reason)
{
    b->reset_wanted = false;
    b->reset_reason |= reason;
    b->reset_count++;
    if (b->nor_count)
        nvmc_apply(b);
    system_reset(b);
    peripherals_reset(b);
    core_reset(b);
    power_update(b);
    debug_after_reset(b);
    attention_update(b);
}

EXPORT void tb_reset(struct board *b, uint32_t reason)
{
    board_reset(b, reason);
}

// The supply fails: RAM and retained registers lose their content (to a pattern that the seed decides), then power-on.
EXPORT void tb_power_cycle(struct board *b)
{
    for (uint32_t i = 0; i + 8 <= b->ram_bytes; i += 8) {
        uint64_t noise = random_next(b);
        memcpy(b->ram + i, &noise, 8);
    }
    b->nor_count = 0;
    b->retained[0] = b->retained[1] = 0;
    b->reset_reason = 0;
    b->debug.enabled = b->debug.halted = false;
    b->debug.demcr = 0;
    board_reset(b, 0);
}

// The supply dips: everything restarts, and RAM happens to survive.
EXPORT void tb_brown_out(struct board *b)
{
    b->nor_count = 0;
    b->retained[0] = b->retained[1] = 0;
    b->reset_reason = 0;
    board_reset(b, 0);
}

// Switches the supply. Without it nothing happens but time.
EXPORT void tb_power(struct board *b, int on)
{
    if (on == !b->unpowered)
        return;
    b->unpowered = !on;
    if (on)
        tb_power_cycle(b);
    else
        peripherals_reset(b);
    power_update(b);
    attention_update(b);
}
