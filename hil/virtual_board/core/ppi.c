// SPDX-License-Identifier: GPL-2.0-or-later
// PPI: 20 programmable channels and 12 fixed ones, with forks and groups. Product specification, chapter PPI.
#include "kinds.h"

enum { CHEN = 0x500, CHENSET = 0x504, CHENCLR = 0x508, EEP0 = 0x510, GROUP0 = 0x800, FORK0 = 0x910 };

// Channels 20..31 as far as their peripherals exist here; those of the radio do nothing.
static const struct { uint8_t channel; uint32_t event, task; } fixed[] = {
    {20, 0x40008140, 0}, {21, 0x40008140, 0}, {30, 0x4000b140, 0x4000800c}, {31, 0x4000b140, 0x40008000}};

void ppi_event(struct board *b, uint32_t address)
{
    struct peripheral *p = peripheral_at(b, 0x4001f000);
    uint32_t enabled = p->reg[CHEN >> 2];
    for (uint32_t left = enabled & 0xfffff; left; left &= left - 1) {
        int i = __builtin_ctz(left);
        if (p->reg[(EEP0 >> 2) + 2 * i] != address)
            continue;
        uint32_t task = p->reg[(EEP0 >> 2) + 2 * i + 1], fork = p->reg[(FORK0 >> 2) + i];
        if (task)
            task_trigger(b, task);
        if (fork)
            task_trigger(b, fork);
    }
    for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if ((enabled >> fixed[i].channel & 1) && fixed[i].event == address && fixed[i].task)
            task_trigger(b, fixed[i].task);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    uint32_t group = p->reg[(GROUP0 >> 2) + number / 2];
    (void)b;
    if (number & 1)
        p->reg[CHEN >> 2] &= ~group;
    else
        p->reg[CHEN >> 2] |= group;
}

static bool load(struct board *b, struct peripheral *p, uint32_t offset, uint32_t *value)
{
    (void)b;
    *value = p->reg[CHEN >> 2];
    return offset == CHENSET || offset == CHENCLR;
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    (void)b;
    if (offset == CHENSET)
        p->reg[CHEN >> 2] |= value;
    else if (offset == CHENCLR)
        p->reg[CHEN >> 2] &= ~value;
    else
        return false;
    return true;
}

static const struct span plain[] = {{CHEN, CHEN}, {EEP0, EEP0 + 0x9c}, {GROUP0, GROUP0 + 0x14}, {FORK0, FORK0 + 0x7c}};
const struct kind kind_ppi = {KIND("PPI", plain), .tasks = 0xfff, .task = task, .read = load, .write = store};
