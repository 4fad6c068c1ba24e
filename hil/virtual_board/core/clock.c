// SPDX-License-Identifier: GPL-2.0-or-later
// CLOCK and POWER, which share one address. Product specification, chapters CLOCK and POWER.
#include "kinds.h"

enum { RESETREAS = 0x400, HFCLKRUN = 0x408, HFCLKSTAT = 0x40c, LFCLKRUN = 0x414, LFCLKSTAT = 0x418,
       LFCLKSRCCOPY = 0x41c, USBREGSTATUS = 0x438, SYSTEMOFF = 0x500, GPREGRET = 0x51c, LFCLKSRC = 0x518,
       MAINREGSTATUS = 0x640, CTIV = 0x538, HFXODEBOUNCE = 0x528, RAM_POWER = 0x900, RAM_POWER_END = 0x98c };
enum { EV_HFCLKSTARTED, EV_LFCLKSTARTED, EV_DONE = 3, EV_CTTO, EV_CTSTARTED = 10, EV_CTSTOPPED };
// Start-up times: HFXO 360 us (tSTART_HFXO with debounce); LFXO 0.25 s and LFRC 600 us (chapter CLOCK, electrical).
enum { HFXO_CYCLES = 23040, LFXO_CYCLES = 16000000, LFRC_CYCLES = 38400, CTIV_CYCLES = 16000000 };

void clock_due(struct board *b, enum slot slot, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x40000000);
    if (slot == SLOT_HFXO) {
        b->hf_running = true;
        event_set(b, p, EV_HFCLKSTARTED);
    } else if (slot == SLOT_CALIBRATION) {
        event_set(b, p, EV_CTTO);
    } else {
        b->lf_running = true;
        b->lf_started = when;
        rtc_reschedule_all(b);
        event_set(b, p, EV_LFCLKSTARTED);
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
            event_set(b, p, EV_LFCLKSTARTED);
        break;
    case 3:
        p->reg[LFCLKRUN >> 2] = 0;
        b->lf_running = false;
        slot_set(b, SLOT_LFCLK, NEVER);
        rtc_reschedule_all(b);
        break;
    case 4:
        event_set(b, p, EV_DONE);  // calibration of the RC oscillator: done at once
        break;
    case 5: case 6:
        event_set(b, p, number == 5 ? EV_CTSTARTED : EV_CTSTOPPED);
        slot_set(b, SLOT_CALIBRATION, number == 5 ? now(b) + (uint64_t)(p->reg[CTIV >> 2] & 0x7f) * CTIV_CYCLES : NEVER);
        break;
    default:
        break;  // CONSTLAT, LOWPWR: latencies are not modelled
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

// RAM[n].POWER and the registers that set and clear its bits. RAM keeps its content in any case.
static bool ram_power_store(struct peripheral *p, uint32_t offset, uint32_t value)
{
    uint32_t *power = &p->reg[(offset & ~15u) >> 2];
    if (offset < RAM_POWER || offset > RAM_POWER_END || (offset & 15) > 8)
        return false;
    *power = (offset & 15) == 0 ? value : (offset & 15) == 4 ? *power | value : *power & ~value;
    return true;
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
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
    default: return ram_power_store(p, offset, value);
    }
}

static const struct span plain[] = {{HFCLKRUN, HFCLKRUN}, {LFCLKRUN, LFCLKRUN}, {LFCLKSRCCOPY, LFCLKSRCCOPY},
                                    {0x428, 0x428}, {0x510, 0x510}, {LFCLKSRC, LFCLKSRC}, {HFXODEBOUNCE, HFXODEBOUNCE},
                                    {CTIV, CTIV}, {0x55c, 0x55c}, {0x578, 0x580}, {0x5b4, 0x5b4}, {RAM_POWER, RAM_POWER_END}};
static const struct preset presets[] = {
    {HFXODEBOUNCE, HFXODEBOUNCE, 16}, {0x900, 0x900, 0xffff}, {0x910, 0x910, 0xffff}, {0x920, 0x920, 0xffff},
    {0x930, 0x930, 0xffff}, {0x940, 0x940, 0xffff}, {0x950, 0x950, 0xffff}, {0x960, 0x960, 0xffff}, {0x970, 0x970, 0xffff},
    {0x980, 0x980, 0xffff}};

const struct kind kind_clock = {KIND("CLOCK/POWER", plain), PRESETS(presets), .tasks = 0xc000007f, .events = 0x00000fff,
                                .task = task, .read = load, .write = store};
