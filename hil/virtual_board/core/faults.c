// SPDX-License-Identifier: GPL-2.0-or-later
#include "board.h"
// A moment that the process asked for: it gets control there.
void fault_due(struct board *b, uint64_t when)
{
    (void)when;
    if (b->stop == STOP_NONE)
        b->stop = STOP_INPUT;
}
EXPORT void tb_fault_at(struct board *b, uint64_t cycle)
{
    slot_set(b, SLOT_FAULT, cycle);
}
