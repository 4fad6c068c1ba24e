// SPDX-License-Identifier: GPL-2.0-or-later
// SysTick: ARMv7-M ARM chapter B3.3.
#include "board.h"

static void systick_schedule(struct board *b)
{
    struct systick *s = &b->systick;
    if (!(s->ctrl & 1)) {
        slot_set(b, SLOT_SYSTICK, NEVER);
        return;
    }
    slot_set(b, SLOT_SYSTICK, s->since + s->start);
}

// SysTick counts down from `start` since cycle `since`; 0 is reached `start` cycles later, then it reloads.
static uint32_t systick_value(struct board *b)
{
    struct systick *s = &b->systick;
    if (!(s->ctrl & 1))
        return s->start;
    uint64_t passed = now(b) - s->since;
    return passed >= s->start ? 0 : s->start - (uint32_t)passed;
}

void systick_due(struct board *b, uint64_t when)
{
    struct systick *s = &b->systick;
    s->flag = true;
    if (s->ctrl & 2)
        exception_pend(b, EXC_SYSTICK, true);
    s->since = when + 1;
    s->start = s->load;
    if (!s->load)
        s->ctrl &= ~1u;
    systick_schedule(b);
}

bool systick_access(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    struct systick *s = &b->systick;
    switch (address) {
    case 0xe000e010:
        if (!store) {
            *value = (s->ctrl & 7) | (s->flag ? 1u << 16 : 0);
            s->flag = false;
            return true;
        }
        s->start = systick_value(b);
        if (!(s->ctrl & 1) && (*value & 1) && !s->start)
            s->start = s->load + 1;
        s->since = now(b);
        s->ctrl = (*value & 3) | 4;  // nRF52: the processor clock only
        systick_schedule(b);
        return true;
    case 0xe000e014:
        if (store)
            s->load = *value & 0xffffff;
        *value = s->load;
        return true;
    case 0xe000e018:
        if (store) {
            s->flag = false;
            s->start = s->ctrl & 1 ? s->load + 1 : 0;
            s->since = now(b);
            systick_schedule(b);
        }
        *value = store ? 0 : systick_value(b);
        return true;
    case 0xe000e01c:
        *value = 0xc0000000;  // no reference clock, no calibration
        return true;
    default:
        return false;
    }
}
