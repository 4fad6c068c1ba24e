// SPDX-License-Identifier: GPL-2.0-or-later
// CLOCK and POWER, which share one address. Product specification, chapters CLOCK and POWER.
#include "kinds.h"

enum { RESETREAS = 0x400, HFCLKRUN = 0x408, HFCLKSTAT = 0x40c, LFCLKRUN = 0x414, LFCLKSTAT = 0x418,
       LFCLKSRCCOPY = 0x41c, USBREGSTATUS = 0x438, SYSTEMOFF = 0x500, GPREGRET = 0x51c, LFCLKSRC = 0x518,
       MAINREGSTATUS = 0x640, CTIV = 0x538 };
// Start-up times: HFXO 360 us (tSTART_HFXO with debounce); LFXO 0.25 s and LFRC 600 us (chapter CLOCK, electrical).
enum { HFXO_CYCLES = 23040, LFXO_CYCLES = 16000000, LFRC_CYCLES = 38400 };

void clock_due(struct board *b, enum slot slot, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x40000000);
    if (slot == SLOT_HFXO) {
        b->hf_running = true;
        event_set(b, p, 0);
    } else {
        b->lf_running = true;
        b->lf_started = when;
        rtc_reschedule_all(b);
        event_set(b, p, 1);
    }
    power_update(b);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    switch (number) {
    case 0:
        p->reg[HFCLKRUN >> 2] = 1;
        slot_set(b, SLOT_HFXO, now(b) + (b->hf_running ? 1 : HFXO_CYCLES));
        break;
    case 1:
        p->reg[HFCLKRUN >> 2] = 0;
        b->hf_running = false;
        slot_set(b, SLOT_HFXO, NEVER);
        break;
    case 2:
        p->reg[LFCLKRUN >> 2] = 1;
        p->reg[LFCLKSRCCOPY >> 2] = p->reg[LFCLKSRC >> 2];
        if (!b->lf_running)
            slot_set(b, SLOT_LFCLK, now(b) + (p->reg[LFCLKSRC >> 2] & 3 ? LFXO_CYCLES : LFRC_CYCLES));
        else
            event_set(b, p, 1);
        break;
    case 3:
        p->reg[LFCLKRUN >> 2] = 0;
        b->lf_running = false;
        slot_set(b, SLOT_LFCLK, NEVER);
        rtc_reschedule_all(b);
        break;
    case 4:
        event_set(b, p, 3);  // calibration of the RC oscillator: done at once
        break;
    default:
        break;  // CONSTLAT, LOWPWR: latencies are not modelled; calibration timer: never used without CAL
    }
    power_update(b);
}

static bool load(struct board *b, struct peripheral *p, uint32_t offset, uint32_t *value)
{
    switch (offset) {
    case RESETREAS: *value = b->reset_reason; return true;
    case HFCLKSTAT: *value = b->hf_running ? 0x10001 : 0x10000; return true;
    case LFCLKSTAT:
        *value = b->lf_running ? 0x10000 | (p->reg[LFCLKSRCCOPY >> 2] & 3) : 0;
        return true;
    case USBREGSTATUS: *value = 0; return true;   // VBUS absent
    case MAINREGSTATUS: *value = 0; return true;  // normal voltage mode
    case SYSTEMOFF: *value = 0; return true;
    case GPREGRET: case GPREGRET + 4: *value = b->retained[(offset - GPREGRET) / 4]; return true;
    default: return false;
    }
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    (void)p;
    switch (offset) {
    case RESETREAS: b->reset_reason &= ~value; return true;
    case GPREGRET: case GPREGRET + 4: b->retained[(offset - GPREGRET) / 4] = value & 0xff; return true;
    case SYSTEMOFF:
        if (value & 1) {
            b->system_off = true;
            b->stop = STOP_SYSTEM_OFF;
            attention_update(b);
        }
        return true;
    default: return false;
    }
}

static const struct span plain[] = {{HFCLKRUN, HFCLKRUN}, {LFCLKRUN, LFCLKRUN}, {LFCLKSRCCOPY, LFCLKSRCCOPY},
                                    {0x428, 0x428}, {0x510, 0x510}, {LFCLKSRC, LFCLKSRC}, {0x528, 0x528},
                                    {CTIV, CTIV}, {0x55c, 0x55c}, {0x578, 0x580}, {0x5b4, 0x5b4}, {0x900, 0x98c}};

const struct kind kind_clock = {KIND("CLOCK/POWER", plain), .tasks = 0xc000007f, .events = 0x000003ff, .task = task,
                                .read = load, .write = store};
