// SPDX-License-Identifier: GPL-2.0-or-later
// Registers without a name, which published remedies for errata of the nRF52 family write at start-up.
// They keep what is written and do nothing else. The erratum is named beside each.
#include "board.h"

static const uint32_t addresses[] = {
    0x4000053c,  // 31: calibration values of the clocks
    0x40000ee4,  // 115 and 217: RAM
    0x4007ac84,  // 246: current in sleep
};

bool workaround_access(struct board *b, uint32_t address, uint32_t *value, bool store)
{
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++)
        if (addresses[i] == address) {
            if (store)
                b->workarounds[i] = *value;
            *value = b->workarounds[i];
            return true;
        }
    return false;
}
