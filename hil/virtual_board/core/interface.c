// SPDX-License-Identifier: GPL-2.0-or-later
// What the process asks of the core between two slices.
#include "board.h"

#include <stdlib.h>
#include <string.h>

struct view {  // engine.py has the same fields in the same order
    uint64_t cycle, instructions, skipped, slept_cycles, exceptions_taken, erase_count, write_count, bins_lost, wait_cycles, spim3_violations;
    double soc_coulomb, card_coulomb;
    uint32_t reset_reason, reset_count;
    uint8_t sleeping, halted, locked_up, flash_dirty, exact, pins, protected, system_off;
};

EXPORT void tb_view(struct board *b, struct view *v)
{
    const double unit = 1e-9 / CPU_HZ;
    *v = (struct view){b->cycle, b->instructions, b->skipped, b->slept_cycles, b->exceptions_taken, b->erase_count,
                       b->write_count, b->power.bins_lost, b->wait_cycles, b->spim3_violations, (double)b->power.soc_charge * unit,
                       (double)b->power.card_charge * unit, b->reset_reason, b->reset_count, b->sleeping,
                       b->debug.halted, b->locked_up, b->flash_dirty, b->exact, b->power.pins, b->protected,
                       b->system_off};
}

EXPORT const char *tb_report(struct board *b)
{
    return b->report;
}

EXPORT void tb_callbacks(struct board *b, spi_callback spi, pin_callback pin, uint32_t watch0, uint32_t watch1)
{
    b->on_spi = spi;
    b->on_pin = pin;
    b->pin_watch[0] = watch0;
    b->pin_watch[1] = watch1;
}

EXPORT void tb_currents(struct board *b, const int64_t *na, int count)
{
    memcpy(b->power.current_na, na, sizeof *na * (size_t)(count < DRAINS ? count : DRAINS));
    power_update(b);
}

// Bytes that the board has sent; returns their number and forgets them.
EXPORT uint32_t tb_serial_take(struct board *b, uint8_t *to, uint32_t capacity)
{
    uint32_t count = b->serial_out_count < capacity ? b->serial_out_count : capacity;
    memcpy(to, b->serial_out, count);
    memmove(b->serial_out, b->serial_out + count, b->serial_out_count - count);
    b->serial_out_count -= count;
    return count;
}

// Queues bytes for the board's receiver, not before the given cycle. Returns how many fitted.
EXPORT uint32_t tb_serial_give(struct board *b, const uint8_t *from, uint32_t count, uint64_t cycle)
{
    const uint32_t places = sizeof b->serial_in / sizeof *b->serial_in;
    uint32_t done = 0;
    while (done < count && b->serial_in_tail - b->serial_in_head < places) {
        b->serial_in[b->serial_in_tail % places].at = cycle;
        b->serial_in[b->serial_in_tail++ % places].byte = from[done++];
    }
    uart_input(b);
    return done;
}

EXPORT uint32_t tb_serial_queued(struct board *b)
{
    return b->serial_in_tail - b->serial_in_head;
}

// Samples of 10 us are kept from now on: of chip and card (1), of the chip (2), or no longer (0).
EXPORT void tb_meter(struct board *b, int on, uint32_t capacity)
{
    struct power *w = &b->power;
    power_advance(b, b->cycle);
    free(w->bins);
    free(w->logic);
    w->bins = on ? malloc(sizeof *w->bins * capacity) : NULL;
    w->logic = on ? malloc(capacity) : NULL;
    w->bin_capacity = on ? capacity : 0;
    w->bin_count = 0;
    w->bin_charge = 0;
    w->bin_at = b->cycle - b->cycle % BIN_CYCLES;
    w->metered = on != 0;
    w->chip_only = on == 2;
}

EXPORT uint32_t tb_meter_take(struct board *b, double *current_ua, uint8_t *logic, uint32_t capacity)
{
    struct power *w = &b->power;
    uint32_t count = w->bin_count < capacity ? w->bin_count : capacity;
    memcpy(current_ua, w->bins, sizeof *w->bins * count);
    memcpy(logic, w->logic, count);
    memmove(w->bins, w->bins + count, sizeof *w->bins * (w->bin_count - count));
    memmove(w->logic, w->logic + count, w->bin_count - count);
    w->bin_count -= count;
    return count;
}

EXPORT uint8_t *tb_flash(struct board *b) { return b->flash; }
EXPORT uint8_t *tb_ram(struct board *b) { return b->ram; }
EXPORT uint32_t *tb_uicr(struct board *b) { return b->uicr; }
EXPORT uint32_t *tb_ficr(struct board *b) { return b->ficr; }
EXPORT void tb_flash_clean(struct board *b) { b->flash_dirty = false; }

// The last `count` blocks, oldest first. Returns how many there are.
EXPORT uint32_t tb_path(struct board *b, uint32_t *to, uint32_t count)
{
    uint32_t have = b->path_at < PATH_BLOCKS ? b->path_at : PATH_BLOCKS;
    count = count < have ? count : have;
    for (uint32_t i = 0; i < count; i++)
        to[i] = b->path[(b->path_at - count + i) & (PATH_BLOCKS - 1)];
    return count;
}

EXPORT void tb_halt(struct board *b)
{
    if (!b->debug.halted) {
        b->debug.enabled = true;
        debug_halt(b, 1);
    }
}

EXPORT void tb_erase_all(struct board *b)
{
    nvmc_erase_all(b);
    b->flush_wanted = false;
    uc_ctl_flush_tb(b->uc);
    blocks_forget_all(b);
    attention_update(b);
}
