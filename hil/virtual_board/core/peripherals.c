// SPDX-License-Identifier: GPL-2.0-or-later
// The peripheral bus: what all of Nordic's peripherals have in common (tasks, events, interrupts, shortcuts), and the
// table of the nRF52840. The layout is that of the product specification, chapter "Peripheral interface".
#include "board.h"
#include "kinds.h"

#include <string.h>

enum { INTEN = 0x300, INTENSET = 0x304, INTENCLR = 0x308, SHORTS = 0x200 };

static const struct { uint32_t base; const struct kind *kind; uint8_t index; } table[] = {
    {0x40000000, &kind_clock, 0},   {0x40002000, &kind_uart, 0},
    {0x40003000, &kind_serial, 0},  {0x40004000, &kind_serial, 1},
    {0x40006000, &kind_gpiote, 0},  {0x40007000, &kind_saadc, 0},
    {0x40008000, &kind_timer, 0},   {0x40009000, &kind_timer, 1},  {0x4000a000, &kind_timer, 2},
    {0x4000b000, &kind_rtc, 0},     {0x4000c000, &kind_temp, 0},   {0x4000d000, &kind_rng, 0},
    {0x4000e000, &kind_ecb, 0},     {0x40010000, &kind_wdt, 0},    {0x40011000, &kind_rtc, 1},
    {0x40014000, &kind_egu, 0},     {0x40015000, &kind_egu, 1},    {0x40016000, &kind_egu, 2},
    {0x40017000, &kind_egu, 3},     {0x40018000, &kind_egu, 4},    {0x40019000, &kind_egu, 5},
    {0x4001a000, &kind_timer, 3},   {0x4001b000, &kind_timer, 4},
    {0x4001e000, &kind_nvmc, 0},    {0x4001f000, &kind_ppi, 0},
    {0x40023000, &kind_serial, 2},  {0x40024000, &kind_rtc, 2},    {0x4002f000, &kind_serial, 3},
};

struct peripheral *peripheral_at(struct board *b, uint32_t base)
{
    return base - 0x40000000 < 0x100000 ? b->by_page[base >> 12 & 0xff] : NULL;
}

void peripherals_create(struct board *b)
{
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        struct peripheral *p = &b->peripherals[b->peripheral_count++];
        p->kind = table[i].kind;
        p->base = table[i].base;
        p->irq = table[i].base >> 12 & 0x3f;
        p->index = table[i].index;
        b->by_page[p->base >> 12 & 0xff] = p;
    }
}

void peripheral_reset(struct peripheral *p)
{
    memset(p->reg, 0, sizeof p->reg);
    for (int i = 0; i < p->kind->preset_count; i++)
        for (uint32_t at = p->kind->presets[i].first; at <= p->kind->presets[i].last; at += 4)
            p->reg[at >> 2] = p->kind->presets[i].value;
}

// Level of the interrupt line: any event that is set and enabled.
void irq_update(struct board *b, struct peripheral *p)
{
    uint32_t enabled = p->reg[INTEN >> 2];
    bool high = false;
    for (; enabled && !high; enabled &= enabled - 1)
        high = p->reg[(0x100 >> 2) + __builtin_ctz(enabled)] != 0;
    irq_level(b, p->irq, high);
}

void event_set(struct board *b, struct peripheral *p, int event)
{
    p->reg[(0x100 >> 2) + event] = 1;
    irq_update(b, p);
    if (p->irq == 0x17 || p->reg[INTEN >> 2] >> event & 1)
        b->event_register |= (b->scr & 0x10) != 0;
    for (int i = 0; i < p->kind->shortcut_count; i++) {
        const struct shortcut *s = &p->kind->shortcuts[i];
        if (s->event == event && (p->reg[SHORTS >> 2] >> s->bit & 1))
            p->kind->task(b, p, s->task);
    }
    ppi_event(b, p->base + 0x100 + 4 * (uint32_t)event);
}

void task_trigger(struct board *b, uint32_t address)
{
    struct peripheral *p = peripheral_at(b, address & ~0xfffu);
    int task = (int)(address >> 2 & 0x3f);
    if (p && (address & 0xfff) < 0x100 && (p->kind->tasks >> (task & 31) & 1) && task < 32)
        p->kind->task(b, p, task);
    else
        stop_with_report(b, "PPI triggers 0x%08x, which is no modelled task", address);
}

static bool is_plain(const struct kind *k, uint32_t offset)
{
    for (int i = 0; i < k->plain_count; i++)
        if (offset >= k->plain[i].first && offset <= k->plain[i].last)
            return true;
    return false;
}

static bool common_read(struct peripheral *p, uint32_t offset, uint32_t *value)
{
    const struct kind *k = p->kind;
    if (offset < 0x80) {
        *value = 0;
        return k->tasks >> (offset >> 2) & 1;
    }
    if (offset >= 0x100 && offset < 0x180) {
        *value = p->reg[offset >> 2];
        return k->events >> (offset >> 2 & 31) & 1;
    }
    if (offset == INTEN || offset == INTENSET || offset == INTENCLR) {
        *value = p->reg[INTEN >> 2];
        return true;
    }
    *value = p->reg[offset >> 2];
    return (offset == SHORTS && k->shortcut_count) || is_plain(k, offset);
}

static bool common_write(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    const struct kind *k = p->kind;
    if (offset < 0x80) {
        if (!(k->tasks >> (offset >> 2) & 1))
            return false;
        if (value & 1)
            k->task(b, p, (int)(offset >> 2));
        return true;
    }
    if (offset >= 0x100 && offset < 0x180) {
        p->reg[offset >> 2] = value & 1;
        irq_update(b, p);
        return k->events >> (offset >> 2 & 31) & 1;
    }
    if (offset == INTEN || offset == INTENSET || offset == INTENCLR) {
        uint32_t *inten = &p->reg[INTEN >> 2];
        *inten = offset == INTEN ? value : offset == INTENSET ? *inten | value : *inten & ~value;
        *inten &= k->events;
        irq_update(b, p);
        return true;
    }
    if ((offset == SHORTS && k->shortcut_count) || is_plain(k, offset)) {
        p->reg[offset >> 2] = value;
        return true;
    }
    return false;
}

uint64_t apb_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    struct board *b = user;
    struct peripheral *p = b->by_page[offset >> 12 & 0xff];
    uint32_t at = (uint32_t)offset & 0xffc, value = 0;
    (void)uc;
    if (b->nor_count)
        nvmc_apply(b);
    if (p && ((p->kind->read && p->kind->read(b, p, at, &value)) || common_read(p, at, &value)))
        return value >> 8 * (offset & 3);
    if (workaround_access(b, 0x40000000 + ((uint32_t)offset & ~3u), &value, false))
        return value >> 8 * (offset & 3);
    unmodelled(b, 0x40000000 + (uint32_t)offset, size, NULL);
    return 0;
}

void apb_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    struct board *b = user;
    struct peripheral *p = b->by_page[offset >> 12 & 0xff];
    uint32_t at = (uint32_t)offset & 0xfff, word = (uint32_t)value;
    (void)uc;
    if (p && ((p->kind->write && p->kind->write(b, p, at, word)) || common_write(b, p, at, word))) {
        power_update(b);
        return;
    }
    if (workaround_access(b, 0x40000000 + (uint32_t)offset, &word, true))
        return;
    unmodelled(b, 0x40000000 + (uint32_t)offset, size, &word);
}
