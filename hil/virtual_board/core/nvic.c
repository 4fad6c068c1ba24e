// SPDX-License-Identifier: GPL-2.0-or-later
// Which exception is the most urgent, and may it interrupt: ARMv7-M ARM chapters B1.5.4 and B3.4.
#include "board.h"

static uint64_t bit(int number)
{
    return (uint64_t)1 << number;
}

int group_priority(const struct board *b, int number)
{
    if (number == EXC_NMI)
        return -2;
    if (number == EXC_HARD)
        return -1;
    return b->priority[number] & ~((2 << b->prigroup) - 1) & 0xff;
}

static int sub_priority(const struct board *b, int number)
{
    return number <= EXC_HARD ? number - 4 : b->priority[number];
}

bool more_urgent(const struct board *b, int number, int than)
{
    int group = group_priority(b, number), other = group_priority(b, than);
    return group < other || (group == other && sub_priority(b, number) < sub_priority(b, than));
}

// The most urgent pending exception, or 0.
static int most_urgent(const struct board *b)
{
    int best = 0;
    for (uint64_t left = b->pending & b->enabled; left; left &= left - 1) {
        int number = __builtin_ctzll(left);
        if (!best || more_urgent(b, number, best))
            best = number;
    }
    return best;
}

int active_priority(const struct board *b)
{
    int lowest = 256;
    for (uint64_t left = b->active; left; left &= left - 1) {
        int group = group_priority(b, __builtin_ctzll(left));
        if (group < lowest)
            lowest = group;
    }
    return lowest;
}

int masked_priority(struct board *b, int priority, bool ignore_primask)
{
    uint32_t basepri = reg_get(b, UC_ARM_REG_BASEPRI);
    if (basepri) {
        int group = (int)(basepri & ~((2u << b->prigroup) - 1) & 0xff);
        if (group < priority)
            priority = group;
    }
    if (priority > 0 && !ignore_primask && (reg_get(b, UC_ARM_REG_PRIMASK) & 1))
        priority = 0;
    if (priority > -1 && (reg_get(b, UC_ARM_REG_FAULTMASK) & 1))
        priority = -1;
    return priority;
}

// The exception to take now, or 0. With ignore_primask: the one that would end a WFI.
int exception_ready(struct board *b, bool ignore_primask)
{
    if (!(b->pending & b->enabled) || b->debug.halted)
        return 0;
    int number = most_urgent(b);
    int urgency = group_priority(b, number), level = active_priority(b);
    if (urgency >= level)
        return 0;
    if (b->debug.enabled && b->debug.mask_interrupts && (number >= EXC_PENDSV))
        return 0;
    return urgency < masked_priority(b, level, ignore_primask) ? number : 0;
}

void exception_pend(struct board *b, int number, bool pend)
{
    if (pend) {
        if (!(b->pending & bit(number)) && (b->scr & 0x10))
            b->event_register = true;  // SEVONPEND
        b->pending |= bit(number);
    } else {
        b->pending &= ~bit(number);
    }
    attention_update(b);
}

void irq_level(struct board *b, int irq, bool high)
{
    uint64_t mask = bit(EXC_IRQ0 + irq);
    if (high && !(b->level & mask)) {
        b->level |= mask;
        exception_pend(b, EXC_IRQ0 + irq, true);
    } else if (!high) {
        b->level &= ~mask;
    }
}
