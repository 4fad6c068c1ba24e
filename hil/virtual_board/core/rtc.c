// SPDX-License-Identifier: GPL-2.0-or-later
// RTC0-2: 24-bit counters of the 32,768 Hz clock. Product specification, chapter RTC.
// One tick lasts 15625/8 cycles of the CPU. Ticks are counted from the start of the low-frequency clock.
#include "kinds.h"

enum { EVTEN = 0x340, EVTENSET = 0x344, EVTENCLR = 0x348, COUNTER = 0x504, PRESCALER = 0x508, CC0 = 0x540,
       COUNTER_MASK = 0xffffff };

static uint64_t lf_ticks(const struct board *b, uint64_t cycle)
{
    return b->lf_running && cycle > b->lf_started ? (cycle - b->lf_started) * 8 / 15625 : 0;
}

static uint64_t lf_cycle(const struct board *b, uint64_t tick)
{
    return b->lf_started + (tick * 15625 + 7) / 8;
}

static uint64_t divider(const struct peripheral *p)
{
    return (p->reg[PRESCALER >> 2] & 0xfff) + 1u;
}

static uint32_t counter(struct board *b, const struct peripheral *p)
{
    const struct rtc *r = &b->rtcs[p->index];
    if (!r->running)
        return r->count;
    return (uint32_t)(r->count + (lf_ticks(b, now(b)) - r->since) / divider(p)) & COUNTER_MASK;
}

static void settle(struct board *b, struct peripheral *p)
{
    struct rtc *r = &b->rtcs[p->index];
    uint64_t tick = lf_ticks(b, now(b));
    if (r->running) {
        uint64_t passed = (tick - r->since) / divider(p);
        r->count = (uint32_t)(r->count + passed) & COUNTER_MASK;
        r->since += passed * divider(p);
    } else {
        r->since = tick;
    }
}

static void schedule(struct board *b, struct peripheral *p)
{
    struct rtc *r = &b->rtcs[p->index];
    uint32_t wanted = p->reg[EVTEN >> 2] | p->reg[0x300 >> 2];
    uint64_t first = NEVER, counts = COUNTER_MASK + 1u - r->count;
    int limit = p->index == 0 ? 3 : 4;
    if (r->running && b->lf_running) {
        if (wanted & 1)
            counts = 1;
        for (int i = 0; i < limit; i++) {
            uint32_t ahead = (p->reg[(CC0 >> 2) + i] - r->count) & COUNTER_MASK;
            uint64_t to_go = ahead ? ahead : COUNTER_MASK + 1u;
            if ((wanted >> (16 + i) & 1) && to_go < counts)
                counts = to_go;
        }
        first = lf_cycle(b, r->since + counts * divider(p));
    }
    slot_set(b, SLOT_RTC0 + p->index, first);
}

static void event(struct board *b, struct peripheral *p, int number)
{
    if ((p->reg[EVTEN >> 2] | p->reg[0x300 >> 2]) >> number & 1)
        event_set(b, p, number);
}

void rtc_due(struct board *b, int index, uint64_t when)
{
    static const uint32_t bases[] = {0x4000b000, 0x40011000, 0x40024000};
    struct peripheral *p = peripheral_at(b, bases[index]);
    struct rtc *r = &b->rtcs[index];
    (void)when;
    settle(b, p);
    event(b, p, 0);
    if (!r->count)
        event(b, p, 1);
    for (int i = 0; i < (index == 0 ? 3 : 4); i++) {
        // A compare value written as the counter's next value comes too late: the specification promises N + 2 only.
        if ((p->reg[(CC0 >> 2) + i] & COUNTER_MASK) == r->count && r->blocked[i] != r->since)
            event(b, p, 16 + i);
        r->blocked[i] = NEVER;
    }
    schedule(b, p);
}

void rtc_reschedule_all(struct board *b)
{
    static const uint32_t bases[] = {0x4000b000, 0x40011000, 0x40024000};
    for (int i = 0; i < 3; i++) {
        struct peripheral *p = peripheral_at(b, bases[i]);
        b->rtcs[i].since = lf_ticks(b, now(b));
        schedule(b, p);
    }
}

static void task(struct board *b, struct peripheral *p, int number)
{
    struct rtc *r = &b->rtcs[p->index];
    settle(b, p);
    if (number == 0)
        r->running = true;
    else if (number == 1)
        r->running = false;
    else if (number == 2)
        r->count = 0;
    else if (number == 3)
        r->count = 0xfffff0;
    schedule(b, p);
}

static bool load(struct board *b, struct peripheral *p, uint32_t offset, uint32_t *value)
{
    if (offset == EVTENSET || offset == EVTENCLR)
        *value = p->reg[EVTEN >> 2];
    else if (offset == COUNTER)
        *value = counter(b, p);
    else
        return false;
    return true;
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    uint32_t *evten = &p->reg[EVTEN >> 2];
    settle(b, p);
    if (offset == EVTEN)
        *evten = value;
    else if (offset == EVTENSET)
        *evten |= value;
    else if (offset == EVTENCLR)
        *evten &= ~value;
    else if (offset >= 0x300 && offset <= 0x308) {
        uint32_t *inten = &p->reg[0x300 >> 2];
        *inten = (offset == 0x300 ? value : offset == 0x304 ? *inten | value : *inten & ~value) & p->kind->events;
        irq_update(b, p);
    } else if (offset >= CC0 && offset < CC0 + 16) {
        int i = (int)(offset - CC0) / 4;
        p->reg[offset >> 2] = value & COUNTER_MASK;
        b->rtcs[p->index].blocked[i] =
            ((b->rtcs[p->index].count + 1) & COUNTER_MASK) == (value & COUNTER_MASK)
                ? b->rtcs[p->index].since + divider(p) : NEVER;
    } else {
        return false;
    }
    schedule(b, p);
    return true;
}

static const struct span plain[] = {{EVTEN, EVTEN}, {PRESCALER, PRESCALER}, {CC0, CC0 + 12}};

const struct kind kind_rtc = {KIND("RTC", plain), .tasks = 0xf, .events = 0x000f0003, .task = task,
                              .read = load, .write = store};
