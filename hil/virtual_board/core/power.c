// SPDX-License-Identifier: GPL-2.0-or-later
// Charge over virtual time. Currents are integers in nanoamperes and charge is nanoamperes x cycles, so sums are exact
// and do not depend on when anybody looks. The table of currents comes from soc.py, each with its source.
#include "kinds.h"

static void bin_close(struct power *w)
{
    if (w->bin_count < w->bin_capacity) {
        w->bins[w->bin_count] = w->bin_charge / BIN_CYCLES / 1000.0;  // uA
        w->logic[w->bin_count] = w->pins;
        w->bin_count++;
    } else {
        w->bins_lost++;
    }
    w->bin_charge = 0;
}

// Integrates what has flowed until `cycle` at the present currents.
void power_advance(struct board *b, uint64_t cycle)
{
    struct power *w = &b->power;
    if (cycle <= w->at)
        return;
    uint64_t span = cycle - w->at;
    w->soc_charge += (unsigned __int128)w->soc_na * span;
    w->card_charge += (unsigned __int128)w->card_na * span;
    if (w->metered) {
        double current = (double)(w->soc_na + (w->chip_only ? 0 : w->card_na));
        while (w->bin_at + BIN_CYCLES <= cycle) {
            uint64_t from = w->at > w->bin_at ? w->at : w->bin_at;
            w->bin_charge += current * (double)(w->bin_at + BIN_CYCLES - from);
            bin_close(w);
            w->bin_at += BIN_CYCLES;
        }
        uint64_t from = w->at > w->bin_at ? w->at : w->bin_at;
        w->bin_charge += current * (double)(cycle - from);
    }
    w->at = cycle;
}

static bool enabled(struct board *b, uint32_t base)
{
    return peripheral_at(b, base)->reg[0x500 >> 2] & 15;
}

static int64_t peripherals_current(struct board *b)
{
    const int64_t *na = b->power.current_na;
    int64_t sum = 0;
    bool fast_clock = false;
    for (int i = 0; i < 5; i++)
        if (b->timers[i].running)
            sum += na[DRAIN_TIMER], fast_clock = true;
    for (int i = 0; i < 4; i++)
        if (b->spim_bytes[i])
            sum += na[i == 3 ? DRAIN_SPIM_32M : DRAIN_SPIM_8M], fast_clock = true;
    if (peripheral_at(b, 0x4002f000)->reg[SPIM3_LEAK] && !enabled(b, 0x4002f000))
        sum += na[DRAIN_ERRATUM_195];
    if (enabled(b, 0x40002000) && (b->uart.rx_on || b->uart.tx_left))
        sum += na[DRAIN_UARTE], fast_clock = true;
    if (b->due[SLOT_RNG] != NEVER)
        sum += na[DRAIN_RNG], fast_clock = true;
    if (b->due[SLOT_TEMP] != NEVER)
        sum += na[DRAIN_TEMP], fast_clock = true;
    if (b->due[SLOT_ECB] != NEVER)
        sum += na[DRAIN_ECB], fast_clock = true;
    if (b->due[SLOT_WATCHDOG] != NEVER)
        sum += na[DRAIN_WDT];
    bool asleep = b->sleeping || b->locked_up || b->debug.halted;
    if (fast_clock && asleep && !b->hf_running)
        sum += na[DRAIN_HFINT];
    return sum;
}

// To be called whenever something starts or stops drawing current.
void power_update(struct board *b)
{
    struct power *w = &b->power;
    const int64_t *na = w->current_na;
    struct peripheral *clock = peripheral_at(b, 0x40000000);
    int64_t sum = na[DRAIN_BASE] + peripherals_current(b);
    bool awake = !b->sleeping && !b->locked_up && !b->debug.halted;
    if (awake)
        sum += na[DRAIN_CPU] + (clock->reg[0x578 >> 2] & 1 ? 0 : na[DRAIN_CPU_LDO]);  // DCDCEN
    if (b->hf_running && !awake)
        sum += na[DRAIN_HFXO];
    if (b->lf_running)
        sum += na[clock->reg[0x41c >> 2] & 3 ? DRAIN_LFXO : DRAIN_LFRC];
    if (b->system_off)
        sum = na[DRAIN_SYSTEM_OFF];
    if (b->unpowered)
        sum = 0;
    if (sum != w->soc_na) {
        power_advance(b, now(b));
        w->soc_na = sum;
    }
}

// The card draws `busy_na` until the given cycle and `after_na` from then on.
EXPORT void tb_card_current(struct board *b, int64_t busy_na, uint64_t until, int64_t after_na)
{
    power_advance(b, now(b));
    b->power.card_na = busy_na;
    b->power.card_after_na = after_na;
    slot_set(b, SLOT_CARD, until);
}

void card_due(struct board *b, uint64_t when)
{
    power_advance(b, when);
    b->power.card_na = b->power.card_after_na;
}
