// SPDX-License-Identifier: GPL-2.0-or-later
// Small peripherals: RNG, TEMP, ECB, EGU and WDT. Product specification, the chapters of these names.
#include "aes.h"
#include "kinds.h"

#include <string.h>

enum { RNG_CONFIG = 0x504, RNG_VALUE = 0x508, TEMP_VALUE = 0x508, ECBDATAPTR = 0x504 };
// RNG: 31.25 us a byte, 120 us with bias correction. TEMP: 36 us. ECB: 7.2 us a block. Chapters' electrical tables.
enum { RNG_CYCLES = 2000, RNG_CORRECTED_CYCLES = 7680, TEMP_CYCLES = 36 * 64, ECB_CYCLES = 461 };

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t random_next(struct board *b)
{
    uint64_t z = b->rng_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void rng_schedule(struct board *b, struct peripheral *p)
{
    slot_set(b, SLOT_RNG, now(b) + (p->reg[RNG_CONFIG >> 2] & 1 ? RNG_CORRECTED_CYCLES : RNG_CYCLES));
}

void rng_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x4000d000);
    (void)when;
    p->reg[RNG_VALUE >> 2] = (uint32_t)random_next(b) & 0xff;
    p->reg[0xff0 >> 2] = 1;
    rng_schedule(b, p);
    event_set(b, p, 0);
}

static void rng_task(struct board *b, struct peripheral *p, int task)
{
    if (task == 0)
        rng_schedule(b, p);
    else
        slot_set(b, SLOT_RNG, NEVER);
    power_update(b);
}

static const struct shortcut rng_shortcuts[] = {{0, 0, 1}};
static const struct span rng_plain[] = {{RNG_CONFIG, RNG_VALUE}};
const struct kind kind_rng = {KIND("RNG", rng_plain), SHORTCUTS(rng_shortcuts), .tasks = 3, .events = 1,
                              .task = rng_task};

void temp_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x4000c000);
    (void)when;
    p->reg[TEMP_VALUE >> 2] = 25 * 4;  // 25 degrees in steps of a quarter
    event_set(b, p, 0);
    power_update(b);
}

static void temp_task(struct board *b, struct peripheral *p, int task)
{
    (void)p;
    slot_set(b, SLOT_TEMP, task == 0 ? now(b) + TEMP_CYCLES : NEVER);
    power_update(b);
}

static const struct span temp_plain[] = {{TEMP_VALUE, TEMP_VALUE}, {0x520, 0x534}, {0x540, 0x554}, {0x560, 0x570}};
static const struct preset temp_presets[] = {
    {0x520, 0x520, 0x326}, {0x524, 0x524, 0x348}, {0x528, 0x528, 0x3aa}, {0x52c, 0x52c, 0x40e}, {0x530, 0x530, 0x4bd},
    {0x534, 0x534, 0x5a3}, {0x540, 0x540, 0x3fef}, {0x544, 0x548, 0x3fbe}, {0x54c, 0x54c, 0x12}, {0x550, 0x550, 0x124},
    {0x554, 0x554, 0x27c}, {0x560, 0x560, 0xe2}, {0x568, 0x568, 0x19}, {0x56c, 0x56c, 0x3c}, {0x570, 0x570, 0x50}};
const struct kind kind_temp = {KIND("TEMP", temp_plain), PRESETS(temp_presets), .tasks = 3, .events = 1, .task = temp_task};

void ecb_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x4000e000);
    uint8_t *data = ram_pointer(b, p->reg[ECBDATAPTR >> 2], 48);
    (void)when;
    if (data)
        aes128_encrypt(data, data + 16, data + 32);
    event_set(b, p, data ? 0 : 1);
    power_update(b);
}

static void ecb_task(struct board *b, struct peripheral *p, int task)
{
    if (task == 0) {
        slot_set(b, SLOT_ECB, now(b) + ECB_CYCLES);
    } else if (b->due[SLOT_ECB] != NEVER) {
        slot_set(b, SLOT_ECB, NEVER);
        event_set(b, p, 1);
    }
    power_update(b);
}

static const struct span ecb_plain[] = {{ECBDATAPTR, ECBDATAPTR}};
const struct kind kind_ecb = {KIND("ECB", ecb_plain), .tasks = 3, .events = 3, .task = ecb_task};

static void egu_task(struct board *b, struct peripheral *p, int task)
{
    event_set(b, p, task);
}

static const struct span egu_plain[] = {{0, 0}};
const struct kind kind_egu = {KIND("EGU", egu_plain), .tasks = 0xffff, .events = 0xffff, .task = egu_task};

// WDT: counts CRV + 1 ticks of 32,768 Hz; cannot be stopped. RR[n] at 0x600 take the reload word.
enum { RUNSTATUS = 0x400, REQSTATUS = 0x404, CRV = 0x504, RREN = 0x508, WDT_CONFIG = 0x50c, RR = 0x600 };

static void watchdog_restart(struct board *b, struct peripheral *p)
{
    p->reg[REQSTATUS >> 2] = p->reg[RREN >> 2];
    slot_set(b, SLOT_WATCHDOG, now(b) + ((uint64_t)p->reg[CRV >> 2] + 1) * 15625 / 8);
}

void watchdog_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x40010000);
    (void)when;
    event_set(b, p, 0);
    b->reset_reason |= 2;  // DOG; the reset follows the event by two ticks, which are too few for anything else
    b->reset_wanted = true;
    attention_update(b);
}

static void watchdog_task(struct board *b, struct peripheral *p, int task)
{
    (void)task;
    if (!p->reg[RUNSTATUS >> 2]) {
        p->reg[RUNSTATUS >> 2] = 1;
        watchdog_restart(b, p);
    }
    power_update(b);
}

static bool watchdog_write(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    bool running = p->reg[RUNSTATUS >> 2];
    if (offset >= RR && offset < RR + 32) {
        if (value == 0x6e524635 && running) {
            p->reg[REQSTATUS >> 2] &= ~(1u << ((offset - RR) >> 2));
            if (!p->reg[REQSTATUS >> 2])
                watchdog_restart(b, p);
        }
        return true;
    }
    return running && offset >= CRV && offset <= WDT_CONFIG;  // locked once it runs
}

static const struct preset wdt_presets[] = {{REQSTATUS, REQSTATUS, 1}, {CRV, CRV, 0xffffffff}, {RREN, RREN, 1}, {WDT_CONFIG, WDT_CONFIG, 1}};
static const struct span wdt_plain[] = {{RUNSTATUS, REQSTATUS}, {CRV, WDT_CONFIG}};
const struct kind kind_wdt = {KIND("WDT", wdt_plain), PRESETS(wdt_presets), .tasks = 1, .events = 1, .task = watchdog_task,
                              .write = watchdog_write};
