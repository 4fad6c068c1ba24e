// SPDX-License-Identifier: GPL-2.0-or-later
// TIMER0-4: 16 MHz / 2^prescaler, capture and compare. Product specification, chapter TIMER.
#include "kinds.h"

enum { MODE = 0x504, BITMODE = 0x508, PRESCALER = 0x510, CC0 = 0x540 };

static uint32_t mask_of(const struct peripheral *p)
{
    static const uint32_t masks[] = {0xffff, 0xff, 0xffffff, 0xffffffff};
    return masks[p->reg[BITMODE >> 2] & 3];
}

static uint64_t cycles_per_count(const struct peripheral *p)
{
    uint32_t prescaler = p->reg[PRESCALER >> 2] & 15;
    return (uint64_t)4 << (prescaler > 9 ? 9 : prescaler);
}

static bool counts_time(const struct peripheral *p)
{
    return (p->reg[MODE >> 2] & 3) == 0;
}

static int channels(const struct peripheral *p)
{
    return p->index < 3 ? 4 : 6;
}

static uint32_t value_of(struct board *b, const struct peripheral *p)
{
    const struct timer *t = &b->timers[p->index];
    uint64_t passed = t->running && counts_time(p) ? (now(b) - t->since) / cycles_per_count(p) : 0;
    return (uint32_t)(t->count + passed) & mask_of(p);
}

static void settle(struct board *b, struct peripheral *p)
{
    struct timer *t = &b->timers[p->index];
    uint64_t step = cycles_per_count(p);
    if (t->running && counts_time(p)) {
        uint64_t passed = (now(b) - t->since) / step;
        t->count = (uint32_t)(t->count + passed) & mask_of(p);
        t->since += passed * step;
    } else {
        t->since = now(b);
    }
}

static void schedule(struct board *b, struct peripheral *p)
{
    struct timer *t = &b->timers[p->index];
    uint64_t first = NEVER;
    uint32_t mask = mask_of(p);
    if (t->running && counts_time(p)) {
        for (int i = 0; i < channels(p); i++) {
            uint32_t ahead = (p->reg[(CC0 >> 2) + i] - t->count) & mask;
            uint64_t counts = ahead ? ahead : (uint64_t)mask + 1;
            uint64_t when = t->since + counts * cycles_per_count(p);
            if (when < first)
                first = when;
        }
    }
    slot_set(b, SLOT_TIMER0 + p->index, first);
}

static void compare(struct board *b, struct peripheral *p)
{
    uint32_t mask = mask_of(p), count = b->timers[p->index].count;
    for (int i = 0; i < channels(p); i++)
        if ((p->reg[(CC0 >> 2) + i] & mask) == count)
            event_set(b, p, 16 + i);
}

void timer_due(struct board *b, int index, uint64_t when)
{
    static const uint32_t bases[] = {0x40008000, 0x40009000, 0x4000a000, 0x4001a000, 0x4001b000};
    struct peripheral *p = peripheral_at(b, bases[index]);
    (void)when;
    settle(b, p);
    compare(b, p);
    schedule(b, p);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    struct timer *t = &b->timers[p->index];
    settle(b, p);
    if (number == 0)
        t->running = true;
    else if (number == 1 || number == 4)
        t->running = false;
    else if (number == 2 && !counts_time(p) && t->running) {
        t->count = (t->count + 1) & mask_of(p);
        compare(b, p);
    } else if (number == 3)
        t->count = 0, t->since = now(b);
    else if (number >= 16)
        p->reg[(CC0 >> 2) + number - 16] = value_of(b, p);
    schedule(b, p);
    power_update(b);
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    bool cc = offset >= CC0 && offset < CC0 + 4 * (uint32_t)channels(p) && !(offset & 3);
    if (!cc && offset != MODE && offset != BITMODE && offset != PRESCALER)
        return false;
    settle(b, p);
    p->reg[offset >> 2] = value;
    schedule(b, p);
    return true;
}

static const struct shortcut shortcuts[] = {
    {0, 16, 3}, {1, 17, 3}, {2, 18, 3}, {3, 19, 3}, {4, 20, 3}, {5, 21, 3},
    {8, 16, 1}, {9, 17, 1}, {10, 18, 1}, {11, 19, 1}, {12, 20, 1}, {13, 21, 1}};
static const struct span plain[] = {{MODE, MODE}, {BITMODE, BITMODE}, {PRESCALER, PRESCALER}, {CC0, CC0 + 20}};

static const struct preset presets[] = {{PRESCALER, PRESCALER, 4}};
const struct kind kind_timer = {KIND("TIMER", plain), PRESETS(presets), SHORTCUTS(shortcuts), .tasks = 0x003f001f, .events = 0x003f0000,
                                .task = task, .write = store};
