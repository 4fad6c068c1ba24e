// SPDX-License-Identifier: GPL-2.0-or-later
// The agenda of virtual time: what is due when.
#include "board.h"

static void deadline_update(struct board *b)
{
    uint64_t first = NEVER;
    for (int i = 0; i < SLOTS; i++)
        if (b->due[i] < first)
            first = b->due[i];
    b->deadline = first;
    attention_update(b);
}

void slot_set(struct board *b, enum slot slot, uint64_t cycle)
{
    b->due[slot] = cycle;
    deadline_update(b);
}

static void serve(struct board *b, int slot, uint64_t when)
{
    switch (slot) {
    case SLOT_SLICE:
        if (!b->stop)
            b->stop = STOP_SLICE;
        break;
    case SLOT_FAULT: fault_due(b, when); break;
    case SLOT_WATCHDOG: watchdog_due(b, when); break;
    case SLOT_SYSTICK: systick_due(b, when); break;
    case SLOT_UART_TX: uart_tx_due(b, when); break;
    case SLOT_UART_RX: uart_rx_due(b, when); break;
    case SLOT_RNG: rng_due(b, when); break;
    case SLOT_TEMP: temp_due(b, when); break;
    case SLOT_ECB: ecb_due(b, when); break;
    case SLOT_HFXO: case SLOT_LFCLK: case SLOT_CALIBRATION: clock_due(b, slot, when); break;
    case SLOT_CARD: card_due(b, when); break;
    case SLOT_SAADC: saadc_due(b, when); break;
    default:
        if (slot >= SLOT_SPIM0)
            spim_due(b, slot - SLOT_SPIM0, when);
        else if (slot >= SLOT_RTC0)
            rtc_due(b, slot - SLOT_RTC0, when);
        else
            timer_due(b, slot - SLOT_TIMER0, when);
    }
}

// Serves everything up to now, each at its own moment and in order of time.
void events_run(struct board *b)
{
    for (;;) {
        int slot = 0;
        for (int i = 1; i < SLOTS; i++)
            if (b->due[i] < b->due[slot])
                slot = i;
        if (b->due[slot] > b->cycle)
            break;
        uint64_t when = b->due[slot];
        b->due[slot] = NEVER;
        b->time = when;
        serve(b, slot, when);
    }
    b->time = 0;
    deadline_update(b);
}
